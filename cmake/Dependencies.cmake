# Libraries from the build root. All of them are shared libraries except tomlplusplus and the header-only ones.

find_package(Threads REQUIRED)
find_package(PkgConfig REQUIRED)
find_package(OpenSSL REQUIRED)
find_package(Arrow CONFIG REQUIRED)          # Arrow::arrow_shared
find_package(ArrowCompute CONFIG REQUIRED)   # ArrowCompute::arrow_compute_shared
find_package(Parquet CONFIG REQUIRED)        # Parquet::parquet_shared
find_package(ArrowFlight CONFIG REQUIRED)    # ArrowFlight::arrow_flight_shared
find_package(ArrowFlightSql CONFIG REQUIRED) # ArrowFlightSql::arrow_flight_sql_shared
find_package(spdlog CONFIG REQUIRED)         # spdlog::spdlog
find_package(CLI11 CONFIG REQUIRED)          # CLI11::CLI11
find_package(nlohmann_json CONFIG REQUIRED)  # nlohmann_json::nlohmann_json
find_package(prometheus-cpp CONFIG REQUIRED) # prometheus-cpp::core
find_package(GTest CONFIG REQUIRED)          # GTest::gtest, GTest::gmock_main
find_package(benchmark CONFIG REQUIRED)      # benchmark::benchmark
pkg_check_modules(httplib REQUIRED IMPORTED_TARGET cpp-httplib)  # PkgConfig::httplib
pkg_check_modules(libedit REQUIRED IMPORTED_TARGET libedit)      # PkgConfig::libedit
pkg_check_modules(libcrypt REQUIRED IMPORTED_TARGET libcrypt)    # PkgConfig::libcrypt

# The package's own DuckDBConfig.cmake names libraries that it does not ship.
find_library(DUCKDB_LIBRARY duckdb REQUIRED)
add_library(duckdb::duckdb SHARED IMPORTED)
set_target_properties(duckdb::duckdb PROPERTIES IMPORTED_LOCATION ${DUCKDB_LIBRARY})

find_library(GRPCPP_LIBRARY grpc++ REQUIRED)
find_library(GPR_LIBRARY gpr REQUIRED)
find_library(PROTOBUF_LIBRARY protobuf REQUIRED)
add_library(hyprstream_grpc INTERFACE)  # the gRPC server builder that Flight's hook hands out
target_link_libraries(hyprstream_grpc INTERFACE ${GRPCPP_LIBRARY} ${GPR_LIBRARY} ${PROTOBUF_LIBRARY})

add_library(hyprstream_toml INTERFACE)  # header only: this project parses TOML in one file
target_compile_definitions(hyprstream_toml INTERFACE TOML_HEADER_ONLY=1)

if(EXISTS ${CMAKE_SOURCE_DIR}/third_party/adbc/CMakeLists.txt)
  add_subdirectory(third_party/adbc)  # adbc_driver_manager
endif()
