// A snapshot with one view, whatever it is asked for: for the tests of this folder.
#pragma once

#include <arrow/result.h>
#include <arrow/status.h>

#include <memory>
#include <utility>

#include "core/snapshot.h"

namespace hyprstream::engine {

class OneView : public Snapshot {
 public:
  explicit OneView(std::shared_ptr<TableSource> source) : source_(std::move(source)) {}
  Position position() const override { return Position(); }
  arrow::Result<std::shared_ptr<TableSource>> View(const TableRef&) const override { return source_; }
  arrow::Result<ClosedWindows> Closed(const TableRef&) const override { return arrow::Status::Invalid("none"); }

 private:
  std::shared_ptr<TableSource> source_;
};

}  // namespace hyprstream::engine
