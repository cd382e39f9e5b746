// Bytes that come through a pipe, a terminal or anything else that cannot be read at random.
//
// Thread safety: one thread. Ownership: the stop signal outlives the stream; the descriptor is closed with it unless it
// is standard input.
#pragma once

#include <arrow/io/interfaces.h>
#include <arrow/result.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace hyprstream::cli {

class StopSignal;

// What a text has behind a byte order mark and blanks.
std::string_view WithoutMargin(std::string_view text);

class PipeStream final : public arrow::io::InputStream {
 public:
  enum class Reads { kWhole, kWhatIsThere };

  // `stop` (null: none) ends a read that waits for bytes with Cancelled.
  PipeStream(int descriptor, const StopSignal* stop) : descriptor_(descriptor), stop_(stop) {}
  ~PipeStream() override;

  // kWhole (the default) waits until all bytes that are asked for have come, or the end; kWhatIsThere waits for the
  // first one only.
  void set_reads(Reads reads) { reads_ = reads; }
  // The first bytes, which stay to be read: four or a few more, and as many more as a format's first letter is behind
  // blanks; fewer only of a shorter stream. Before the first Read.
  arrow::Result<std::string> Head();

  arrow::Status Close() override;
  bool closed() const override { return descriptor_ < 0; }
  arrow::Result<std::int64_t> Tell() const override { return position_; }
  arrow::Result<std::int64_t> Read(std::int64_t bytes, void* out) override;
  arrow::Result<std::shared_ptr<arrow::Buffer>> Read(std::int64_t bytes) override;

 private:
  static constexpr std::int64_t kHeadBytes = 4;
  static constexpr std::int64_t kHeadBytesMax = 4096;

  // Waits until there is something to read, or the end. False when `patient` is not set and nothing is there now.
  arrow::Result<bool> WaitForBytes(bool patient) const;
  arrow::Result<std::int64_t> ReadOnce(std::int64_t bytes, char* out) const;

  int descriptor_;
  const StopSignal* stop_;
  Reads reads_ = Reads::kWhole;
  std::string head_;
  std::int64_t position_ = 0;
};

}  // namespace hyprstream::cli
