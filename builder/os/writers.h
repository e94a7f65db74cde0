// Whether somebody may be writing to a file without it showing.
#pragma once

namespace kiln::os {

/// True when the file is open for writing anywhere, or mapped so. Who has it mapped can change its
/// bytes without changing its times, as long as the pages are not written out. False also where the
/// file system cannot tell. `fd` is open for reading only.
/// source: fcntl(2) "Leases": a read lease is refused while a file is open for writing
[[nodiscard]] bool has_writers(int fd);

}  // namespace kiln::os
