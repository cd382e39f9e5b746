#include "cli/pipe_stream.h"

#include <arrow/buffer.h>
#include <arrow/result.h>
#include <arrow/status.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <future>

#include "cli/stop_signal.h"

namespace hyprstream::cli {
namespace {

class PipeStreamTest : public ::testing::Test {
 protected:
  PipeStreamTest() {
    EXPECT_EQ(pipe(ends_.data()), 0);
    stream_ = std::make_unique<PipeStream>(ends_[0], &stop_);
  }
  ~PipeStreamTest() override { CloseInput(); }

  void Put(std::string_view text) {
    EXPECT_EQ(write(ends_[1], text.data(), text.size()), static_cast<ssize_t>(text.size()));
  }
  void CloseInput() {
    if (ends_[1] >= 0) close(ends_[1]);
    ends_[1] = -1;
  }
  std::string Read(std::int64_t bytes) { return stream_->Read(bytes).ValueOrDie()->ToString(); }

  std::array<int, 2> ends_{};
  StopSignal stop_;
  std::unique_ptr<PipeStream> stream_;
};

TEST_F(PipeStreamTest, TheHeadIsReadAgain) {
  Put("abcdef");
  EXPECT_EQ(stream_->Head().ValueOrDie(), "abcd");
  EXPECT_EQ(Read(2), "ab");
  EXPECT_EQ(Read(3), "cde");
  EXPECT_EQ(stream_->Tell().ValueOrDie(), 5);
}

TEST_F(PipeStreamTest, TheHeadGoesOnUntilALetterTellsTheFormat) {
  Put("\xEF\xBB\xBF\n\n");
  auto head = std::async([&] { return stream_->Head().ValueOrDie(); });
  Put("  {}");
  EXPECT_TRUE(head.get().starts_with("\xEF\xBB\xBF\n\n  {"));
  EXPECT_EQ(Read(9), "\xEF\xBB\xBF\n\n  {}");
}

TEST_F(PipeStreamTest, AHeadOfBlanksHasABound) {
  Put(std::string(5000, ' '));
  EXPECT_EQ(stream_->Head().ValueOrDie(), std::string(4096, ' '));
}

TEST_F(PipeStreamTest, WholeReadsWaitForAllBytesOrTheEnd) {
  Put("ab");
  auto reading = std::async([&] { return Read(4); });
  Put("cdef");
  EXPECT_EQ(reading.get(), "abcd");
  CloseInput();
  EXPECT_EQ(Read(4), "ef");
  EXPECT_EQ(Read(4), "");
}

TEST_F(PipeStreamTest, WhatIsThereDoesNotWaitForMore) {
  stream_->set_reads(PipeStream::Reads::kWhatIsThere);
  Put("ab");
  EXPECT_EQ(Read(1000), "ab");
}

TEST_F(PipeStreamTest, AWaitEndsWhenItIsToStop) {
  auto reading = std::async([&] { return stream_->Read(1).status(); });
  stop_.Raise();
  EXPECT_TRUE(reading.get().IsCancelled());
}

}  // namespace
}  // namespace hyprstream::cli
