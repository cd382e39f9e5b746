# Language level, warnings and the compiler cache, the same for every target of ours.

set(CMAKE_CXX_STANDARD 23)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_CXX_SCAN_FOR_MODULES OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)

# x86-64-v2 is what every machine of the last ten years has; faster kernels are chosen at run time where it matters.
if(CMAKE_SYSTEM_PROCESSOR STREQUAL "x86_64")
  add_compile_options(-march=x86-64-v2)
endif()

# Where roots, drivers and the compiler cache live, for all clones on this machine.
if(DEFINED ENV{HYPRSTREAM_CACHE})
  set(HYPRSTREAM_CACHE "$ENV{HYPRSTREAM_CACHE}" CACHE PATH "Folder shared by all clones")
else()
  set(HYPRSTREAM_CACHE "$ENV{HOME}/.cache/hyprstream" CACHE PATH "Folder shared by all clones")
endif()

# Paths are made relative to the source folder and the working folder is left out of the hash, so that clones share hits.
find_program(CCACHE ccache)
if(CCACHE)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CCACHE}
    cache_dir=${HYPRSTREAM_CACHE}/ccache base_dir=${CMAKE_SOURCE_DIR} hash_dir=false max_size=5G)
endif()

# What every target of ours (and none of a third party) is compiled with.
function(hyprstream_target target)
  target_include_directories(${target} PRIVATE ${CMAKE_SOURCE_DIR}/src ${CMAKE_SOURCE_DIR}/tests)
  target_compile_options(${target} PRIVATE -Wall -Wextra -Wconversion -Werror)
  if(CMAKE_BUILD_TYPE MATCHES "^(Asan|Tsan)$")
    # GCC's own manual: sanitizers raise false alarms of this warning. Release and debug builds keep it.
    target_compile_options(${target} PRIVATE -Wno-maybe-uninitialized)
  endif()
  target_compile_definitions(${target} PRIVATE HYPRSTREAM_VERSION="${PROJECT_VERSION}")
endfunction()
