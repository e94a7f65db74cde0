# The settings of everything we write, and one function for each kind of target.

# Linked privately by all of ours; never by third-party code.
add_library(kiln_settings INTERFACE)
target_include_directories(kiln_settings INTERFACE ${PROJECT_SOURCE_DIR})
target_compile_options(kiln_settings INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wnon-virtual-dtor -Woverloaded-virtual
  -Wsuggest-override -Wimplicit-fallthrough -Wswitch-enum)
target_compile_definitions(kiln_settings INTERFACE $<$<CONFIG:Debug>:_GLIBCXX_ASSERTIONS>)
target_link_options(kiln_settings INTERFACE -fuse-ld=lld)
if(KILN_SANITIZE)
  target_compile_options(kiln_settings INTERFACE -fsanitize=${KILN_SANITIZE} -fno-sanitize-recover=undefined
                         -fno-omit-frame-pointer -g1)
  target_link_options(kiln_settings INTERFACE -fsanitize=${KILN_SANITIZE})
endif()
if(KILN_FUZZ)
  target_compile_options(kiln_settings INTERFACE -fsanitize=fuzzer-no-link)
  target_link_options(kiln_settings INTERFACE -fsanitize=fuzzer-no-link)
endif()

# kiln_module(NAME SOURCES... DEPENDS... PRIVATE_DEPENDS...): one static library a folder, alias kiln::NAME.
function(kiln_module name)
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPENDS;PRIVATE_DEPENDS" ${ARGN})
  add_library(kiln_${name} STATIC ${ARG_SOURCES})
  add_library(kiln::${name} ALIAS kiln_${name})
  target_link_libraries(kiln_${name} PUBLIC ${ARG_DEPENDS} PRIVATE ${ARG_PRIVATE_DEPENDS} kiln_settings)
endfunction()

# kiln_unit_test(NAME SOURCES... DEPENDS...): one GoogleTest program a folder, labelled `unit`.
function(kiln_unit_test name)
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPENDS" ${ARGN})
  add_executable(${name}_test ${ARG_SOURCES})
  target_link_libraries(${name}_test PRIVATE ${ARG_DEPENDS} GTest::gmock_main kiln_settings)
  # Optimizing tests takes a third of a whole build and tells nothing: what they test is optimized.
  target_compile_options(${name}_test PRIVATE $<$<CONFIG:Release>:-O0>)
  add_test(NAME unit.${name} COMMAND ${name}_test)
  set_tests_properties(unit.${name} PROPERTIES LABELS unit TIMEOUT 300)
endfunction()
