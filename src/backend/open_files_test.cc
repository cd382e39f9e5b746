#include "backend/open_files.h"

#include <arrow/result.h>
#include <arrow/status.h>
#include <gmock/gmock.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <optional>

namespace hyprstream::backend {
namespace {

using ::testing::HasSubstr;

class OpenFilesTest : public ::testing::Test {
 protected:
  OpenFilesTest()
      : folder_(std::filesystem::temp_directory_path() / ("hyprstream-open-files-" + std::to_string(getpid()))) {
    std::filesystem::create_directory(folder_);
    std::ofstream(Path("a")) << "a";
    std::ofstream(Path("b")) << "b";
  }
  ~OpenFilesTest() override { std::filesystem::remove_all(folder_); }
  std::string Path(const std::string& name) const { return (folder_ / name).string(); }

  const std::filesystem::path folder_;
};

TEST_F(OpenFilesTest, AFileIsOpenOnceByWhateverPath) {
  OpenFiles files("");
  std::filesystem::create_symlink(Path("a"), Path("link"));
  std::filesystem::create_hard_link(Path("a"), Path("hard"));
  std::optional claim = files.Take(Path("a"), "first").ValueOrDie();
  const auto b = files.Take(Path("b"), "other");
  EXPECT_TRUE(b.ok()) << b.status();
  for (const std::string& path : {Path("a"), Path("link"), Path("hard"), (folder_ / "." / "a").string()}) {
    const auto again = files.Take(path, "second").status();
    EXPECT_TRUE(again.IsAlreadyExists()) << path;
    EXPECT_THAT(again.message(), HasSubstr("is open already, as first")) << path;
  }
  OpenFiles::Claim moved = *std::move(claim);
  claim.reset();
  EXPECT_TRUE(files.Take(Path("a"), "second").status().IsAlreadyExists()) << "the claim was moved, not given back";
  moved = OpenFiles::Claim();
  EXPECT_TRUE(files.Take(Path("link"), "second").ok());
}

TEST_F(OpenFilesTest, TheProcessesOwnFileIsTakenFromWhenItIsThere) {
  OpenFiles files(Path("own"));
  EXPECT_TRUE(files.Take(Path("own"), "x").status().IsIOError());
  std::filesystem::rename(Path("b"), Path("own"));
  std::filesystem::create_symlink(Path("own"), Path("link"));
  EXPECT_THAT(files.Take(Path("link"), "x").status().message(), HasSubstr("the server's own database"));
  EXPECT_TRUE(files.Take(Path("a"), "x").ok());
}

TEST_F(OpenFilesTest, OnlyFilesThatAreThereAreOpened) {
  OpenFiles files("");
  EXPECT_THAT(files.Take(Path("none"), "x").status().message(), HasSubstr("No such file"));
  EXPECT_THAT(files.Take(folder_.string(), "x").status().message(), HasSubstr("it is no file"));
}

TEST_F(OpenFilesTest, AClaimMayOutliveWhoGaveIt) {
  auto files = std::make_unique<OpenFiles>("");
  const auto claim = files->Take(Path("a"), "x");
  files.reset();
  EXPECT_TRUE(claim.ok());
}

}  // namespace
}  // namespace hyprstream::backend
