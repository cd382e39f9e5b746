// Views of one table that differ in their windows alone: one of them is folded from rows, the coarser ones from what it
// has become, a group at a time instead of a row.
//
// Thread safety: free functions.
#pragma once

#include <optional>
#include <string>

#include "aggregate/slice_internal.h"

namespace hyprstream::aggregate {

// Equal texts: views over the same rows, with the same keys but for the window, conditions and aggregates in the same
// order, whose windows are of one size each. Empty: the view has no such family, because its states cannot be merged,
// are counted view by view (those that keep every distinct value), or are sessions.
std::string FamilyOf(const AggregateQuery& query);

// What `spec`'s view would fold the rows to that a view of its family has folded to `folded`; slices are shared where
// nothing is to be merged. nullopt: the finer view's windows do not lie in this one's, or a row might lie in a window
// that is out of range.
std::optional<Folded> Coarsen(const ViewSpec& spec, const ViewSpec& finer, const Folded& folded);

}  // namespace hyprstream::aggregate
