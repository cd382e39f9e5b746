#include "aggregate/view_family_internal.h"

#include <algorithm>
#include <format>

#include "aggregate/fixed_window_internal.h"
#include "arrow/type.h"
#include "core/aggregate_functions.h"

namespace hyprstream::aggregate {
namespace {

// Where the coarser window begins that the whole of a finer one lies in.
std::optional<SliceKey> CoarserStart(const FixedWindow& coarse, const FixedWindow& fine, SliceKey key) {
  if (key.is_null) return key;
  const std::optional<FixedWindowRange> range = WindowOf(coarse, key.start);
  if (!range) return std::nullopt;
  if (range->size > 1 && static_cast<Int128>(key.start) + fine.size - 1 > coarse.greatest) return std::nullopt;
  return SliceKey{.start = range->start};
}

bool DividesInto(const FixedWindow& fine, const FixedWindow& coarse) {
  const Int128 apart = static_cast<Int128>(coarse.origin) - fine.origin;
  return coarse.size % fine.size == 0 && apart % fine.size == 0;
}

void AddSlice(const ViewSpec& spec, SliceKey key, const std::shared_ptr<Slice>& slice, SliceMap& slices) {
  const auto at = LowerBound(slices, key);
  if (at == slices.end() || at->key != key) {
    slices.insert(at, SliceEntry{.key = key, .slice = slice});
    return;
  }
  if (at->slice.use_count() > 1) at->slice = at->slice->Clone();  // the finer delta keeps its own
  at->slice->Merge(*spec.layout, *slice);
}

}  // namespace

std::string FamilyOf(const AggregateQuery& query) {
  if (!query.fixed_window || query.session_gap || query.window_key < 0) return "";
  // Texts in front of which their length stands cannot run into one another.
  std::string family;
  const auto add = [&](const std::string& text) { family += std::format("{}:{};", text.size(), text); };
  add(query.from_sql);
  add(query.where_sql);
  add(query.time_zone);
  add(query.time_sql);
  add(std::format("{} {}", query.window_key, query.finite_times_only));
  for (int key = 0; key < query.key_count(); ++key) {
    add(key == query.window_key ? "" : query.key_sql[static_cast<std::size_t>(key)]);
  }
  for (const std::string& argument : query.argument_sql) add(argument);
  for (const auto& field : query.evaluated_schema->fields()) add(field->type()->ToString());
  for (const AggregateColumn& aggregate : query.aggregates) {
    const AggregateFunction& function = FunctionOf(aggregate.kind);
    if (function.in_order || function.family == StateFamily::kBag) return "";
    std::string text = std::format("{} {} {} {}", static_cast<int>(aggregate.kind), aggregate.filter,
                                   aggregate.of_argument_type, aggregate.decimal_sum);
    for (const int argument : aggregate.arguments) text += std::format(" {}", argument);
    for (const double parameter : aggregate.parameters) text += std::format(" {:a}", parameter);
    add(text);
    add(aggregate.result_type->ToString());
  }
  return family;
}

std::optional<Folded> Coarsen(const ViewSpec& spec, const ViewSpec& finer, const Folded& folded) {
  if (spec.family.empty() || spec.family != finer.family) return std::nullopt;
  const FixedWindow& coarse = *spec.query->fixed_window;
  const FixedWindow& fine = *finer.query->fixed_window;
  if (!DividesInto(fine, coarse)) return std::nullopt;
  Folded made;
  for (const SliceEntry& entry : folded.slices) {
    const std::optional<SliceKey> key = CoarserStart(coarse, fine, entry.key);
    if (!key) return std::nullopt;
    AddSlice(spec, *key, entry.slice, made.slices);
  }
  for (const RawRows& raw : folded.raw) {
    const std::optional<SliceKey> key = CoarserStart(coarse, fine, raw.key);
    if (!key) return std::nullopt;
    made.raw.push_back(raw);
    made.raw.back().key = *key;
  }
  return made;
}

}  // namespace hyprstream::aggregate
