#include "aggregate/mergeable_state_internal.h"

#include <algorithm>
#include <memory>
#include <string_view>
#include <utility>
#include <vector>

#include "aggregate/physical_internal.h"
#include "aggregate/state_bytes_internal.h"
#include "aggregate/state_format_internal.h"
#include "aggregate/state_ops_internal.h"
#include "arrow/array/array_base.h"

namespace hyprstream::aggregate {
namespace {

// The bytes of a state: the number of rows, and what its StateOps save.
arrow::Result<std::int64_t> TakeRows(StateReader& reader) {
  ARROW_ASSIGN_OR_RAISE(const auto rows, reader.Take<std::int64_t>());
  if (rows < 0 || static_cast<std::uint64_t>(rows) > kRowsMask) return arrow::Status::Invalid("View state: bad count");
  return rows;
}

// `ops`: null for count(*).
arrow::Status AppendStates(const StateOps* ops, std::span<const Record> records, arrow::ArrayBuilder& builder) {
  return WithBuilder<std::string_view>(builder, [&](auto append) {
    for (const Record& record : records) {
      StateWriter writer;
      writer.Put(RowsOf(record));
      if (ops != nullptr) ops->Save(std::span(&record, 1), writer);
      ARROW_RETURN_NOT_OK(append(std::string_view(writer.bytes())));
    }
    return arrow::Status::OK();
  });
}

class OneState final : public MergeableState {
 public:
  OneState(const std::shared_ptr<const AggregateQuery>& query, std::size_t aggregate)
      : query_(query),
        fingerprint_(FingerprintOfAggregate(*query, aggregate)),
        aggregate_(query->aggregates[aggregate]),
        layout_(*query, 0, aggregate) {}

  std::size_t record_bytes() const override { return layout_.width(); }

  arrow::Result<std::shared_ptr<arrow::Array>> OfRows(std::span<const arrow::Array* const> arguments,
                                                      const arrow::Array* filter, std::int64_t rows) const override {
    ARROW_ASSIGN_OR_RAISE(const auto builder, MakePhysicalBuilder(arrow::binary()));
    const auto scratch = std::make_unique<BlockScratch>();
    std::vector<std::uint64_t> room(kBlockRows * record_bytes() / 8);
    std::vector<Record> records(kBlockRows);
    for (std::int64_t at = 0; at < rows; at += static_cast<std::int64_t>(kBlockRows)) {
      const auto count = std::min(kBlockRows, static_cast<std::size_t>(rows - at));
      const auto block = std::span(records).first(count);
      for (std::size_t i = 0; i < count; ++i) {
        block[i] = reinterpret_cast<std::byte*>(room.data()) + i * record_bytes();
        Init(block[i]);
        AddRows(block[i], 1);
      }
      const BlockInput input{
          .arguments = arguments,
          .filter = filter,
          .rows = {.first = static_cast<std::uint32_t>(at), .count = static_cast<std::uint32_t>(count)}};
      HeapAccount heap;
      if (ops() != nullptr) ops()->Update(input, block, *scratch, heap);
      const auto status = AppendStates(ops(), block, *builder);
      for (const Record record : block) Release(record);
      ARROW_RETURN_NOT_OK(status);
    }
    return FinishAs(arrow::binary(), *builder);
  }

  void Init(std::byte* record) const override { std::copy_n(layout_.prototype(), layout_.width(), record); }

  arrow::Status Add(std::string_view state, std::byte* record) const override {
    StateReader reader(state);
    ARROW_ASSIGN_OR_RAISE(const auto rows, TakeRows(reader));
    std::vector<std::uint64_t> room((record_bytes() + 7) / 8);
    auto* const loaded = reinterpret_cast<std::byte*>(room.data());
    Init(loaded);
    AddRows(loaded, rows);
    HeapAccount heap;
    arrow::Status status;
    if (ops() != nullptr) status = ops()->Load(reader, std::span(&loaded, 1), heap);
    if (status.ok() && reader.left() != 0) status = arrow::Status::Invalid("View state: bytes are left over");
    if (status.ok()) Merge(loaded, record);
    Release(loaded);
    return status;
  }

  void Merge(const std::byte* from, std::byte* to) const override {
    AddRows(to, RowsOf(from));
    if (ops() == nullptr) return;
    HeapAccount heap;
    auto* const source = const_cast<std::byte*>(from);  // NOLINT(cppcoreguidelines-pro-type-const-cast): only read
    ops()->Merge(std::span(&source, 1), std::span(&to, 1), heap);
  }

  std::string Seal(std::string_view state) const override { return SealState(fingerprint_, state); }

  arrow::Result<std::shared_ptr<arrow::Array>> Read(std::span<std::byte* const> records) const override {
    ARROW_ASSIGN_OR_RAISE(const auto builder, MakePhysicalBuilder(aggregate_.result_type));
    if (ops() != nullptr) {
      ARROW_RETURN_NOT_OK(ops()->Read(aggregate_, records, *builder));
    } else {
      ARROW_RETURN_NOT_OK(WithBuilder<std::int64_t>(*builder, [&](auto append) {
        for (const std::byte* record : records) ARROW_RETURN_NOT_OK(append(RowsOf(record)));
        return arrow::Status::OK();
      }));
    }
    return FinishAs(aggregate_.result_type, *builder);
  }

  void Release(std::byte* record) const override {
    if (ops() != nullptr && ops()->has_heap()) ops()->Release(record);
  }

 private:
  const StateOps* ops() const { return layout_.ops(0); }

  const std::shared_ptr<const AggregateQuery> query_;  // of the parts, which may refer to it
  const std::uint64_t fingerprint_;
  const AggregateColumn aggregate_;
  const RecordLayout layout_;
};

}  // namespace

arrow::Status AppendStates(const ViewSpec& spec, std::size_t aggregate, std::span<const Record> records,
                           arrow::ArrayBuilder& builder) {
  return AppendStates(spec.layout->ops(aggregate), records, builder);
}

namespace {

constexpr std::string_view kSeal = "HSG";  // of a group
constexpr std::uint8_t kSealVersion = 1;

}  // namespace

std::string SealState(std::uint64_t fingerprint, std::string_view state) {
  StateWriter writer;
  writer.PutBytes(kSeal);
  writer.Put(kSealVersion);
  writer.Put(fingerprint);
  writer.PutBytes(state);
  writer.Put(StateChecksum(writer.bytes()));
  return std::move(writer).Take();
}

arrow::Result<std::string_view> OpenState(std::span<const std::uint64_t> fingerprints, std::string_view sealed) {
  constexpr std::size_t kHead = kSeal.size() + sizeof(kSealVersion) + sizeof(std::uint64_t);
  constexpr std::size_t kTail = sizeof(std::uint32_t);
  if (!sealed.starts_with(kSeal)) return arrow::Status::Invalid("these bytes are no state");
  if (sealed.size() < kHead + kTail) return arrow::Status::Invalid("it is damaged (it ends too early)");
  StateReader reader(sealed.substr(kSeal.size()));
  ARROW_ASSIGN_OR_RAISE(const auto version, reader.Take<std::uint8_t>());
  if (version != kSealVersion) {
    return arrow::Status::Invalid("its format is version ", int{version}, ", this server reads ", int{kSealVersion});
  }
  std::uint32_t checksum = 0;
  std::memcpy(&checksum, sealed.data() + sealed.size() - kTail, kTail);
  if (checksum != StateChecksum(sealed.substr(0, sealed.size() - kTail))) {
    return arrow::Status::Invalid("it is damaged (checksum)");
  }
  ARROW_ASSIGN_OR_RAISE(const auto found, reader.Take<std::uint64_t>());
  if (std::ranges::find(fingerprints, found) == fingerprints.end()) {
    return arrow::Status::Invalid("it is of another aggregate, or of other types, than this column");
  }
  return sealed.substr(kHead, sealed.size() - kHead - kTail);
}

std::shared_ptr<const MergeableState> MakeMergeableState(const std::shared_ptr<const AggregateQuery>& query,
                                                         std::size_t aggregate) {
  return std::make_shared<OneState>(query, aggregate);
}

}  // namespace hyprstream::aggregate
