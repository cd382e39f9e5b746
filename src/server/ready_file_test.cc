#include "server/ready_file.h"

#include <arrow/result.h>
#include <arrow/status.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>

namespace hyprstream::server {
namespace {

TEST(ReadyFile, HoldsTheAddressWhileItLives) {
  const std::string path = ::testing::TempDir() + "/hyprstream_ready_file_test";
  {
    auto file = ReadyFile::Write(path, "127.0.0.1:5").ValueOrDie();
    ReadyFile moved = std::move(file);
    std::string line;
    std::ifstream in(path);
    std::getline(in, line);
    EXPECT_EQ(line, "127.0.0.1:5");
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
