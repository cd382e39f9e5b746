#include "aggregate/kept_values_internal.h"

#include "arrow/array/array_base.h"
#include "arrow/builder.h"

namespace hyprstream::aggregate {
namespace {

std::size_t WidthOf(Physical physical) {
  return WithPhysical(physical, []<class V>(std::type_identity<V>) {
    return std::same_as<V, std::string_view> ? std::size_t{0} : sizeof(V);
  });
}

std::int64_t BytesOf(const std::string& text) {
  const std::size_t heap = text.capacity() < sizeof(std::string) ? 0 : text.capacity();
  return static_cast<std::int64_t>(sizeof(std::string) + heap);
}

}  // namespace

KeptValues::KeptValues(Physical physical) : physical_(physical), width_(WidthOf(physical)) {}

void KeptValues::SetText(std::string_view text, Kept& kept, HeapAccount& heap) {
  if (std::string* const own = TextOf(kept); own != nullptr) {
    heap.bytes -= BytesOf(*own);
    own->assign(text);
    heap.bytes += BytesOf(*own);
    return;
  }
  auto* const own = new std::string(text);
  std::memcpy(&kept.low, &own, sizeof(own));
  heap.bytes += BytesOf(*own);
}

void KeptValues::Set(const arrow::Array& column, std::int64_t row, Kept& kept, HeapAccount& heap) const {
  WithPhysical(physical_, [&]<class V>(std::type_identity<V>) {
    WithColumn<V>(column, [&](auto values) {
      const V value = values(row);
      if constexpr (std::same_as<V, std::string_view>) {
        SetText(value, kept, heap);
      } else {
        kept = {};
        std::memcpy(static_cast<void*>(&kept), &value, sizeof(V));
      }
    });
  });
}

void KeptValues::Copy(const Kept& from, Kept& kept, HeapAccount& heap) const {
  if (is_text()) return SetText(*TextOf(from), kept, heap);
  kept = from;
}

arrow::Status KeptValues::Append(const Kept& kept, arrow::ArrayBuilder& builder) const {
  return WithPhysical(physical_, [&]<class V>(std::type_identity<V>) {
    return WithBuilder<V>(builder, [&](auto append) { return append(Get<V>(kept)); });
  });
}

bool KeptValues::IsWithin(const ValueLimits& limits, const Kept& kept) const {
  return WithPhysical(physical_, [&]<class V>(std::type_identity<V>) { return limits.Has(Get<V>(kept)); });
}

void KeptValues::Save(const Kept& kept, StateWriter& writer) const {
  if (is_text()) {
    writer.Put(static_cast<std::uint64_t>(TextOf(kept)->size()));
    writer.PutBytes(*TextOf(kept));
  } else {
    writer.PutBytes({reinterpret_cast<const char*>(&kept), width_});
  }
}

arrow::Status KeptValues::Load(StateReader& reader, Kept& kept, HeapAccount& heap) const {
  if (is_text()) {
    ARROW_ASSIGN_OR_RAISE(const auto size, reader.Take<std::uint64_t>());
    ARROW_ASSIGN_OR_RAISE(const std::string_view text, reader.TakeBytes(size));
    SetText(text, kept, heap);
    return arrow::Status::OK();
  }
  ARROW_ASSIGN_OR_RAISE(const std::string_view bytes, reader.TakeBytes(width_));
  if (physical_ == Physical::kBool && bytes[0] != 0 && bytes[0] != 1) {
    return arrow::Status::Invalid("View state: a truth that is neither");
  }
  kept = {};
  std::memcpy(static_cast<void*>(&kept), bytes.data(), width_);
  return arrow::Status::OK();
}

void KeptValues::Detach(Kept& kept, HeapAccount& heap) const {
  const std::string* const shared = is_text() ? TextOf(kept) : nullptr;
  if (shared == nullptr) return;
  kept = {};
  SetText(*shared, kept, heap);
}

void KeptValues::Release(const Kept& kept) const {
  if (is_text()) delete TextOf(kept);
}

}  // namespace hyprstream::aggregate
