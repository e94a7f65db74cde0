#include "builder/os/memory.h"

#include <link.h>
#include <malloc.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>

namespace kiln::os {

namespace {

/// One heap for all threads, since only the top of the first can be trimmed; small allocations come
/// from each thread's cache anyway.
constexpr int kArenas = 1;
/// What is freed and asked for again within a build stays: each page that comes back costs a fault.
constexpr int kKeptBytes = 16 * 1024 * 1024;

bool has_text_relocations(const dl_phdr_info& object) {
  for (ElfW(Half) i = 0; i < object.dlpi_phnum; ++i) {
    const ElfW(Phdr)& header = object.dlpi_phdr[i];
    if (header.p_type != PT_DYNAMIC) continue;
    const auto* entry = reinterpret_cast<const ElfW(Dyn)*>(object.dlpi_addr + header.p_vaddr);
    for (; entry->d_tag != DT_NULL; ++entry)
      if (entry->d_tag == DT_TEXTREL) return true;
  }
  return false;
}

/// Only code that nobody wrote to: dropping a page that the loader had changed would lose that.
int forget_code(dl_phdr_info* object, std::size_t /*size*/, void* /*unused*/) {
  if (has_text_relocations(*object)) return 0;
  const auto page = static_cast<std::uintptr_t>(::sysconf(_SC_PAGESIZE));
  for (ElfW(Half) i = 0; i < object->dlpi_phnum; ++i) {
    const ElfW(Phdr)& header = object->dlpi_phdr[i];
    const bool is_code = header.p_type == PT_LOAD && (header.p_flags & PF_X) != 0;
    if (!is_code || (header.p_flags & PF_W) != 0) continue;
    const std::uintptr_t begin = object->dlpi_addr + header.p_vaddr;
    const std::uintptr_t first = begin & ~(page - 1);
    // A page that cannot be dropped (the kernel's own vdso) stays: nothing is lost.
    ::madvise(reinterpret_cast<void*>(first), begin + header.p_memsz - first, MADV_DONTNEED);
  }
  return 0;
}

}  // namespace

void keep_heap_small() noexcept {
  ::mallopt(M_ARENA_MAX, kArenas);
  ::mallopt(M_TRIM_THRESHOLD, kKeptBytes);
  ::mallopt(M_MMAP_THRESHOLD, kKeptBytes);
}

void give_back_memory() noexcept {
  ::malloc_trim(0);
  ::dl_iterate_phdr(forget_code, nullptr);
}

}  // namespace kiln::os
