// Single values that a state keeps, of any type that keys may have, in two words: as they lie in memory or, of text, as
// a string of their own.
//
// Thread safety: immutable; what it works on is the caller's. A Kept of text must be let go (Release) or handed on.
#pragma once

#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>

#include "aggregate/physical_internal.h"
#include "aggregate/state_bytes_internal.h"
#include "aggregate/state_ops_internal.h"
#include "aggregate/value_limits_internal.h"

namespace hyprstream::aggregate {

class KeptValues {
 public:
  struct Kept {
    std::uint64_t low = 0;  // of text the std::string*, null: none
    std::uint64_t high = 0;
  };

  explicit KeptValues(Physical physical);

  bool is_text() const { return width_ == 0; }

  // Puts a row's value, which is not NULL, in the place of what is kept.
  void Set(const arrow::Array& column, std::int64_t row, Kept& kept, HeapAccount& heap) const;
  void Copy(const Kept& from, Kept& kept, HeapAccount& heap) const;
  // Of the values' own V.
  template <class V>
  static V Get(const Kept& kept) {
    if constexpr (std::same_as<V, std::string_view>) {
      return *TextOf(kept);
    } else {
      V value;
      std::memcpy(&value, &kept, sizeof(V));
      return value;
    }
  }
  bool IsWithin(const ValueLimits& limits, const Kept& kept) const;
  // To a builder of MakePhysicalBuilder.
  arrow::Status Append(const Kept& kept, arrow::ArrayBuilder& builder) const;

  void Save(const Kept& kept, StateWriter& writer) const;
  arrow::Status Load(StateReader& reader, Kept& kept, HeapAccount& heap) const;

  // After its words were copied: gives the copy a text of its own.
  void Detach(Kept& kept, HeapAccount& heap) const;
  void Release(const Kept& kept) const;

 private:
  static std::string* TextOf(const Kept& kept) {
    std::string* text = nullptr;
    std::memcpy(&text, &kept.low, sizeof(text));
    return text;
  }
  static void SetText(std::string_view text, Kept& kept, HeapAccount& heap);

  const Physical physical_;
  const std::size_t width_;  // 0: text
};

}  // namespace hyprstream::aggregate
