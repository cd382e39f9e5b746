#include "backend/host_rows.h"

#include <arrow/array/builder_binary.h>
#include <arrow/c/bridge.h>
#include <arrow/record_batch.h>
#include <arrow/result.h>
#include <arrow/table.h>
#include <arrow/type.h>
#include <gmock/gmock.h>

#include <future>
#include <utility>
#include <vector>

#include "support/status_assertions.h"

namespace hyprstream::backend {
namespace {

using ::testing::HasSubstr;

std::shared_ptr<arrow::RecordBatch> Texts(std::int64_t rows, std::size_t length) {
  arrow::StringBuilder builder;
  for (std::int64_t i = 0; i < rows; ++i) EXPECT_OK(builder.Append(std::string(length, 'x') + std::to_string(i)));
  return arrow::RecordBatch::Make(arrow::schema({arrow::field("v", arrow::utf8())}), rows,
                                  {builder.Finish().ValueOrDie()});
}

// Its batches and then a status.
class Source final : public arrow::RecordBatchReader {
 public:
  Source(std::vector<std::shared_ptr<arrow::RecordBatch>> batches, arrow::Status last)
      : batches_(std::move(batches)), last_(std::move(last)) {}
  std::shared_ptr<arrow::Schema> schema() const override { return batches_.at(0)->schema(); }
  arrow::Status ReadNext(std::shared_ptr<arrow::RecordBatch>* batch) override {
    batch->reset();
    if (at_ == batches_.size()) return last_;
    *batch = batches_[at_++];
    return arrow::Status::OK();
  }

 private:
  const std::vector<std::shared_ptr<arrow::RecordBatch>> batches_;
  const arrow::Status last_;
  std::size_t at_ = 0;
};

// Both sides, and what goes over between them.
class HostRows : public ::testing::Test {
 protected:
  void Bind(std::vector<std::shared_ptr<arrow::RecordBatch>> batches, const arrow::Status& last = arrow::Status::OK()) {
    ArrowArrayStream given{};
    ASSERT_OK(arrow::ExportRecordBatchReader(std::make_shared<Source>(std::move(batches), last), &given));
    ASSERT_OK_AND_ASSIGN(fed_, FedRows::Make(&given));
    ASSERT_OK_AND_ASSIGN(const auto bytes, fed_->Schema());
    ASSERT_OK_AND_ASSIGN(const auto schema, ReadSchemaOf(bytes));
    ArrowArrayStream taken{};
    ASSERT_OK(line_->Export(schema, &taken));
    ASSERT_OK_AND_ASSIGN(rows_, arrow::ImportRecordBatchReader(&taken));
  }
  // What the driver gets for its next question.
  arrow::Result<std::shared_ptr<arrow::RecordBatch>> Next() {
    auto next = std::async([&] { return rows_->Next(); });
    const auto question = server_.Receive().ValueOrDie();
    EXPECT_EQ(question.kind, kRowsWanted);
    EXPECT_OK(fed_->Answer(server_));
    return next.get();
  }

  std::pair<HostSocket, HostSocket> pair_ = HostSocket::MakePair().ValueOrDie();
  const HostSocket& server_ = pair_.first;
  const HostSocket& host_ = pair_.second;
  const std::shared_ptr<RowsLine> line_ = std::make_shared<RowsLine>();
  std::unique_ptr<FedRows> fed_;
  std::shared_ptr<arrow::RecordBatchReader> rows_;
};

TEST_F(HostRows, BatchesArriveAsTheyAreAskedFor) {
  const auto first = Texts(3, 2);
  const auto second = Texts(1, 5);
  Bind({first, Texts(0, 0), second});
  line_->Open(host_);
  ASSERT_OK_AND_ASSIGN(const auto one, Next());
  EXPECT_TRUE(one->Equals(*first));
  ASSERT_OK_AND_ASSIGN(const auto two, Next());
  EXPECT_TRUE(two->Equals(*second));
  ASSERT_OK_AND_ASSIGN(const auto end, Next());
  EXPECT_EQ(end, nullptr);
  ASSERT_OK_AND_ASSIGN(const auto after, rows_->Next());  // without a question
  EXPECT_EQ(after, nullptr);
}

TEST_F(HostRows, NoRowsAreOneBatchOfNone) {
  Bind({Texts(0, 0), Texts(0, 0)});
  line_->Open(host_);
  ASSERT_OK_AND_ASSIGN(const auto none, Next());
  ASSERT_NE(none, nullptr) << "a driver may have its columns of a batch only";
  EXPECT_EQ(none->num_rows(), 0);
  ASSERT_OK_AND_ASSIGN(const auto end, Next());
  EXPECT_EQ(end, nullptr);
}

TEST_F(HostRows, ALargeBatchGoesInPieces) {
  const auto large = Texts(1'000, 20'000);
  Bind({large, Texts(1, 3 * static_cast<std::size_t>(FedRows::kPieceBytesMax))});
  line_->Open(host_);
  std::vector<std::shared_ptr<arrow::RecordBatch>> pieces;
  while (true) {
    ASSERT_OK_AND_ASSIGN(auto piece, Next());
    if (piece == nullptr) break;
    EXPECT_TRUE(piece->num_rows() == 1 || piece->num_rows() * 20'000 <= FedRows::kPieceBytesMax) << piece->num_rows();
    pieces.push_back(std::move(piece));
  }
  ASSERT_GE(pieces.size(), 6);
  EXPECT_EQ(pieces.back()->num_rows(), 1) << "a row is not cut";
  pieces.pop_back();
  const auto whole = arrow::Table::FromRecordBatches(pieces).ValueOrDie()->CombineChunksToBatch().ValueOrDie();
  EXPECT_TRUE(whole->Equals(*large));
}

TEST_F(HostRows, AnErrorOfTheSourceIsOneOfTheRowsWithoutItsWords) {
  Bind({Texts(1, 1)}, arrow::Status::Invalid("a secret of the source"));
  line_->Open(host_);
  ASSERT_OK(Next());
  const auto failed = Next().status();
  EXPECT_FALSE(failed.ok());
  EXPECT_THAT(failed.message(), HasSubstr("The rows ended with an error"));
  EXPECT_FALSE(rows_->Next().ok()) << "and it stays so";
}

TEST_F(HostRows, WhoeverAsksWhenNothingExecutesGetsAnError) {
  Bind({Texts(1, 1)});
  EXPECT_THAT(rows_->Next().status().message(), HasSubstr("only while their statement executes"));
}

TEST_F(HostRows, TheOtherSideIsGone) {
  Bind({Texts(1, 1)});
  line_->Open(host_);
  server_.ShutDown();
  EXPECT_FALSE(rows_->Next().ok());
  EXPECT_TRUE(fed_->Answer(server_).IsIOError());
}

}  // namespace
}  // namespace hyprstream::backend
