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

  if(tests)
    add_executable(test_${folder} ${tests})
    hyprstream_target(test_${folder})
    target_link_libraries(test_${folder} PRIVATE hs_${folder} ${arg_TEST_LINKS} GTest::gmock_main)
    add_test(NAME ${folder} COMMAND test_${folder})
    set_tests_properties(${folder} PROPERTIES LABELS unit)
  endif()
endfunction()
