#include "aggregate/session_format_internal.h"

#include <utility>

#include "aggregate/session_segments_internal.h"
#include "aggregate/state_format_internal.h"
#include "arrow/buffer.h"

namespace hyprstream::aggregate {

std::shared_ptr<arrow::Buffer> SaveSessions(const SessionSpec& spec,
                                            const std::vector<std::shared_ptr<const SessionTable>>& tables) {
  StateWriter writer = BeginStates(*spec.view);
  std::uint64_t count = 0;
  for (const auto& table : tables) count += static_cast<std::uint64_t>(table->session_count());
  writer.Put(count);
  std::vector<Record> records;
  records.reserve(count);
  for (const auto& table : tables) {
    ForEachSession(*table, [&](std::uint32_t key, const Session& session) {
      const std::string_view bytes = table->keys().key(key);
      writer.Put(static_cast<std::uint32_t>(bytes.size()));
      writer.PutBytes(bytes);
      writer.Put(session.first);
      writer.Put(session.last);
      writer.Put(RowsOf(session.record));
      records.push_back(session.record);
    });
  }
  for (const RecordLayout::Part& part : spec.view->layout->parts()) part.ops->Save(records, writer);
  return EndStates(std::move(writer));
}

arrow::Result<std::shared_ptr<SessionTable>> LoadSessions(const std::shared_ptr<const SessionSpec>& spec,
                                                          std::string_view bytes) {
  ARROW_ASSIGN_OR_RAISE(StateReader reader, OpenStates(*spec->view, bytes));
  ARROW_ASSIGN_OR_RAISE(const auto count, reader.Take<std::uint64_t>());
  auto table = std::make_shared<SessionTable>(spec);
  std::vector<Record> records;
  for (std::uint64_t i = 0; i < count; ++i) {
    ARROW_ASSIGN_OR_RAISE(const auto size, reader.Take<std::uint32_t>());
    ARROW_ASSIGN_OR_RAISE(const std::string_view key, reader.TakeBytes(size));
    ARROW_ASSIGN_OR_RAISE(const auto first, reader.Take<std::int64_t>());
    ARROW_ASSIGN_OR_RAISE(const auto last, reader.Take<std::int64_t>());
    ARROW_ASSIGN_OR_RAISE(const auto rows, reader.Take<std::int64_t>());
    if (!spec->view->codec.IsWellFormed(key)) return arrow::Status::Invalid("View state: a group key that is none");
    const bool fits = spec->IsTime(first) && first <= last && last <= spec->last_time() && rows > 0 &&
                      static_cast<std::uint64_t>(rows) <= kRowsMask;
    if (!fits) return arrow::Status::Invalid("View state: a session that is none");
    const Record record = table->Append(table->FindOrAdd(key), first, last, rows);
    if (record == nullptr) return arrow::Status::Invalid("View state: sessions of one key that meet");
    records.push_back(record);
  }
  for (const RecordLayout::Part& part : spec->view->layout->parts()) {
    ARROW_RETURN_NOT_OK(part.ops->Load(reader, records, table->heap()));
  }
  ARROW_RETURN_NOT_OK(CheckEnd(reader));
  return table;
}

}  // namespace hyprstream::aggregate
