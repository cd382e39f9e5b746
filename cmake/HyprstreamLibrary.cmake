# hyprstream_library(<folder> [DEPENDS folders of lower floors...] [LINKS external targets...] [TEST_LINKS targets...])
#
# The static library hs_<folder> from the *.cc of src/<folder>, and the gtest binary test_<folder> from its *_test.cc,
# registered with CTest under the label "unit". A folder without sources becomes an interface library, so that headers
# can come first. A folder of DEPENDS that does not exist (yet) is left out.
function(hyprstream_library folder)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "DEPENDS;LINKS;TEST_LINKS")
  set(links ${arg_LINKS})
  foreach(dependency IN LISTS arg_DEPENDS)
    if(TARGET hs_${dependency})
      list(APPEND links hs_${dependency})
    endif()
  endforeach()

  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/*.cc)
  file(GLOB tests CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/*_test.cc)
  list(FILTER sources EXCLUDE REGEX "_(test|bench)\\.cc$")

  if(sources)
    add_library(hs_${folder} STATIC ${sources})
    hyprstream_target(hs_${folder})
    target_include_directories(hs_${folder} PUBLIC ${CMAKE_SOURCE_DIR}/src)
    target_link_libraries(hs_${folder} PUBLIC ${links})
  else()
    add_library(hs_${folder} INTERFACE)
    target_include_directories(hs_${folder} INTERFACE ${CMAKE_SOURCE_DIR}/src)
    target_link_libraries(hs_${folder} INTERFACE ${links})
  endif()

  if(tests AND (NOT HYPRSTREAM_TEST_FOLDERS OR folder IN_LIST HYPRSTREAM_TEST_FOLDERS))
    hyprstream_test(${folder} LABEL unit SOURCES ${tests} LINKS hs_${folder} ${arg_TEST_LINKS})
  endif()
endfunction()

# hyprstream_test(<name> LABEL unit|fuzz|sql|integration SOURCES files... [LINKS targets...])
#
# The gtest binary test_<name>, run by CTest as <name>. Binaries of unit tests belong to the target unit_tests, which is
# all that the sanitizer builds compile.
add_custom_target(unit_tests)
function(hyprstream_test name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "LABEL" "SOURCES;LINKS")
  add_executable(test_${name} ${arg_SOURCES})
  hyprstream_target(test_${name})
  # Tests name the options they mean and leave the rest to their defaults.
  target_compile_options(test_${name} PRIVATE -Wno-missing-field-initializers)
  target_link_libraries(test_${name} PRIVATE ${arg_LINKS} GTest::gmock_main)
  add_test(NAME ${name} COMMAND test_${name})
  set_tests_properties(${name} PROPERTIES LABELS ${arg_LABEL} ENVIRONMENT "${HYPRSTREAM_TEST_ENVIRONMENT}")
  if(arg_LABEL STREQUAL "unit")
    add_dependencies(unit_tests test_${name})
  endif()
endfunction()

# What the sanitizers' run-time libraries should know, also when CTest is started by hand.
set(HYPRSTREAM_TEST_ENVIRONMENT
  "TSAN_OPTIONS=suppressions=${CMAKE_SOURCE_DIR}/tools/tsan.supp"
  "LSAN_OPTIONS=suppressions=${CMAKE_SOURCE_DIR}/tools/lsan.supp:print_suppressions=0"
  "UBSAN_OPTIONS=print_stacktrace=1"
  "HYPRSTREAM_ADBC_DRIVERS=${HYPRSTREAM_ADBC_DIR}/drivers")
