// Names that nobody can guess: of tickets, transactions, prepared statements, sessions.
#pragma once

#include <string>

namespace hyprstream {

// 16 bytes from the kernel's generator, as 32 hexadecimal digits. Ends the process should the kernel refuse: a handle
// that can be guessed must never exist.
std::string RandomHandle();

}  // namespace hyprstream
