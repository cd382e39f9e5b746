#include "entry_writer.h"

#include <arrow/type.h>

#include <algorithm>

#include "failure.h"

namespace adbc_redis {
namespace {

// The id after which the server takes others; none where there is no stream yet.
arrow::Result<EntryId> LastId(const Tables& tables, const Table& table, const CancelFlag* cancel) {
  ARROW_ASSIGN_OR_RAISE(const Reply exists, tables.wire()->Run({"EXISTS", table.place}, cancel));
  if (exists->integer == 0) return EntryId{};
  ARROW_ASSIGN_OR_RAISE(const Reply info, tables.wire()->Run({"XINFO", "STREAM", table.place}, cancel));
  for (size_t i = 0; i + 1 < info->elements; i += 2) {
    if (TextOf(*info->element[i]) != "last-generated-id") continue;
    if (const auto id = ReadEntryId(TextOf(*info->element[i + 1]))) return *id;
  }
  return Fail(ADBC_STATUS_INVALID_DATA, "The server answered XINFO with something else");
}

}  // namespace

arrow::Status EntryWriter::At(AdbcStatusCode code, int column, const std::string& what) const {
  return Fail(code, "Column " + table_.schema->field(column)->name() + ", row " + std::to_string(rows_) + ": " + what);
}

arrow::Result<std::string> EntryWriter::IdOf(const std::vector<Cell>& cells) {
  if (!table_.has_key() || cells[static_cast<size_t>(table_.key)].null) {
    if (!last_) return "*";
    return At(ADBC_STATUS_INTEGRITY, table_.key, "NULL among ids that are given: give all of them, or none");
  }
  const std::string& text = cells[static_cast<size_t>(table_.key)].text;
  const auto id = ReadEntryId(text);
  if (!id)
    return At(ADBC_STATUS_INVALID_ARGUMENT, table_.key, Printable(text) + " is no id of an entry (1700000000000-0)");
  if (!last_) {
    if (rows_ > 0) return At(ADBC_STATUS_INTEGRITY, table_.key, "an id after rows without: give all of them, or none");
    ARROW_RETURN_NOT_OK(tables_.NoteLookUp(table_));
    ARROW_ASSIGN_OR_RAISE(last_, LastId(tables_, table_, cancel_));
  }
  if (*id <= *last_) {
    return At(ADBC_STATUS_INTEGRITY, table_.key,
              text + " is not greater than " + last_->ToString() + ", the last id of the stream");
  }
  last_ = id;
  return text;
}

arrow::Status EntryWriter::Add(const std::vector<Cell>& cells) {
  if (table_.time >= 0 && !cells[static_cast<size_t>(table_.time)].null) {
    return At(ADBC_STATUS_INVALID_ARGUMENT, table_.time,
              "the time of an entry is that of its id: leave the column out");
  }
  std::vector<size_t> fields;
  for (size_t i = 0; i < cells.size(); ++i) {
    const int column = static_cast<int>(i);
    if (column == table_.key || column == table_.time) continue;
    if (!cells[i].null) {
      fields.push_back(i);
    } else if (!table_.schema->field(column)->nullable()) {
      return At(ADBC_STATUS_INTEGRITY, column, "NULL in a column that is NOT NULL");
    }
  }
  if (fields.empty()) {
    return Fail(ADBC_STATUS_INTEGRITY,
                "Row " + std::to_string(rows_) + ": an entry of a stream has one value at least");
  }
  ARROW_ASSIGN_OR_RAISE(const std::string id, IdOf(cells));
  pipeline_.Command(3 + 2 * fields.size()).Word("XADD").Word(table_.place).Word(id);
  for (const size_t i : fields) pipeline_.Word(table_.schema->field(static_cast<int>(i))->name()).Word(cells[i].text);
  ++rows_;
  return static_cast<int64_t>(pipeline_.commands()) < pipeline_rows_ ? arrow::Status::OK() : Finish();
}

arrow::Status EntryWriter::Finish() {
  if (pipeline_.commands() == 0) return arrow::Status::OK();
  ARROW_RETURN_NOT_OK(tables_.ChangeRows(table_, pipeline_, {}, true, cancel_));
  pipeline_.Clear();
  return arrow::Status::OK();
}

arrow::Result<int64_t> RemoveEntries(const Tables& tables, const Table& table, const std::vector<std::string>& ids,
                                     const CancelFlag* cancel) {
  ARROW_RETURN_NOT_OK(tables.NoteLookUp(table));
  Pipeline looks;
  Pipeline removal;
  std::vector<std::string> known;
  std::ranges::copy_if(ids, std::back_inserter(known),
                       [](const std::string& id) { return ReadEntryId(id).has_value(); });
  if (known.empty()) return 0;
  for (const std::string& id : known) looks.Add({"XRANGE", table.place, id, id});
  ARROW_ASSIGN_OR_RAISE(const Replies there, tables.wire()->Run(looks, cancel));
  removal.Command(2 + known.size()).Word("XDEL").Word(table.place);
  for (const std::string& id : known) removal.Word(id);
  ARROW_RETURN_NOT_OK(tables.ChangeRows(table, removal, {}, false, cancel));
  return std::ranges::count_if(there, [](const Reply& reply) { return reply->elements > 0; });
}

}  // namespace adbc_redis
