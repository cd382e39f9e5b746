#include "server/ready_file.h"

#include <arrow/result.h>
#include <arrow/status.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <sstream>
#include <string>

namespace hyprstream::server {
namespace {

std::string TextOf(const std::string& path) {
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  return std::move(text).str();
}

TEST(ReadyFile, HoldsTheAddressWhileItLives) {
  const std::string path = ::testing::TempDir() + "/hyprstream_ready_file_test";
  {
    auto file = ReadyFile::Write(path, "127.0.0.1:5").ValueOrDie();
    ReadyFile moved = std::move(file);
    EXPECT_EQ(TextOf(path), "127.0.0.1:5\n");
  }
  EXPECT_FALSE(std::filesystem::exists(path));
}

TEST(ReadyFile, OneThatAnEndedServerLeftIsRemoved) {
  const std::string path = ::testing::TempDir() + "/hyprstream_stale_ready_file_test";
  ReadyFile::RemoveStale(path);
  std::ofstream(path) << "127.0.0.1:5\n";
  ReadyFile::RemoveStale(path);
  EXPECT_FALSE(std::filesystem::exists(path));
  {
    const auto running = ReadyFile::Write(path, "127.0.0.1:6").ValueOrDie();
    ReadyFile::RemoveStale(path);
    EXPECT_EQ(TextOf(path), "127.0.0.1:6\n");
  }
  EXPECT_FALSE(std::filesystem::exists(path));
}

TEST(ReadyFile, WhatIsNoFileStays) {
  const std::string path = ::testing::TempDir() + "/hyprstream_no_ready_file_test";
  std::filesystem::create_directory(path);
  ReadyFile::RemoveStale(path);
  EXPECT_TRUE(std::filesystem::exists(path));
  std::filesystem::remove(path);
  ASSERT_EQ(mkfifo(path.c_str(), 0600), 0);
  ReadyFile::RemoveStale(path);
  EXPECT_TRUE(std::filesystem::exists(path));
  std::filesystem::remove(path);
  ReadyFile::RemoveStale("");
}

TEST(ReadyFile, ThatOfAnotherIsLeftAlone) {
  const std::string path = ::testing::TempDir() + "/hyprstream_shared_ready_file_test";
  auto first = std::make_unique<ReadyFile>(ReadyFile::Write(path, "127.0.0.1:5").ValueOrDie());
  {
    const auto second = ReadyFile::Write(path, "127.0.0.1:6").ValueOrDie();
    first.reset();
    EXPECT_EQ(TextOf(path), "127.0.0.1:6\n");
  }
  EXPECT_FALSE(std::filesystem::exists(path));
}

TEST(ReadyFile, AFolderThatIsMissingIsAnError) {
  const auto status = ReadyFile::Write("/nowhere/ready", "x").status();
  EXPECT_TRUE(status.IsIOError());
  EXPECT_EQ(status.message(), "Cannot write the ready file /nowhere/ready: No such file or directory");
}

TEST(ReadyFile, NoPathIsNoFile) { EXPECT_TRUE(ReadyFile::Write("", "x").ok()); }

}  // namespace
}  // namespace hyprstream::server
