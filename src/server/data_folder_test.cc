#include "server/data_folder.h"

#include <arrow/result.h>
#include <arrow/status.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

namespace hyprstream::server {
namespace {

using ::testing::HasSubstr;

TEST(DataFolder, IsMadeAndLeftEmpty) {
  const std::string path = ::testing::TempDir() + "/hyprstream_data_folder_test/deep";
  EXPECT_TRUE(PrepareFolder(path, "data").ok());
  EXPECT_TRUE(PrepareFolder(path, "data").ok());
  EXPECT_TRUE(std::filesystem::is_empty(path));
  std::filesystem::remove_all(path);
}

TEST(DataFolder, WhatCannotBeMadeIsNamed) {
  const auto status = PrepareFolder("/proc/nowhere", "data");
  EXPECT_TRUE(status.IsIOError());
  EXPECT_THAT(status.message(), HasSubstr("/proc/nowhere of data"));
}

TEST(Pem, IsReadOrRefused) {
  const std::string path = ::testing::TempDir() + "/hyprstream_pem_test";
  std::ofstream(path) << "hello\n";
  EXPECT_THAT(ReadPem(path, "tls_cert").status().message(), HasSubstr("of tls_cert is not in PEM format"));
  std::ofstream(path) << "-----BEGIN CERTIFICATE-----\n";
  EXPECT_TRUE(ReadPem(path, "tls_cert").ok());
  std::filesystem::remove(path);
  EXPECT_THAT(ReadPem(path, "tls_key").status().message(), HasSubstr("No such file"));
}

}  // namespace
}  // namespace hyprstream::server
