// The process's own memory: kept small while it works, given back when it rests.
#pragma once

namespace kiln::os {

/// Sets the heap up so that give_back_memory() finds what is free. Call before the first thread.
/// source: mallopt(3)
void keep_heap_small() noexcept;

/// Returns free heap pages, and forgets the pages of program code: what is still needed is mapped
/// again from the page cache. Takes about a millisecond. Any thread.
void give_back_memory() noexcept;

}  // namespace kiln::os
