// The functions of mimalloc that Arrow's archive calls, by the C library.
//
// The shared mimalloc replaces operator new as well. Loaded with a driver it would do so for the driver alone, and what
// the driver's code and the C++ library give each other would be freed by the wrong one.

#include <malloc.h>

#include <algorithm>
#include <cstddef>
#include <cstdlib>
#include <cstring>

extern "C" {

void* mi_malloc_aligned(size_t size, size_t alignment) {
  void* memory = nullptr;
  return posix_memalign(&memory, std::max(alignment, sizeof(void*)), size) == 0 ? memory : nullptr;
}

void mi_free(void* memory) { free(memory); }

void* mi_realloc_aligned(void* before, size_t size, size_t alignment) {
  void* memory = mi_malloc_aligned(size, alignment);
  if (memory != nullptr && before != nullptr) {
    std::memcpy(memory, before, std::min(size, malloc_usable_size(before)));
    free(before);
  }
  return memory;
}

void mi_collect(bool) { malloc_trim(0); }
void mi_stats_print_out(void (*)(const char*, void*), void*) {}
}
