#include "aggregate/state_format_internal.h"

#include <bit>
#include <limits>
#include <string>
#include <utility>

#include "arrow/buffer.h"
#include "arrow/type.h"
#include "arrow/util/crc32.h"

namespace hyprstream::aggregate {
namespace {

constexpr std::string_view kMagic = "HSSTATE\n";
constexpr std::uint32_t kVersion = 2;

// FNV-1a over length-prefixed parts; stable across releases and machines.
class Fingerprint {
 public:
  void Add(std::string_view part) {
    AddNumber(static_cast<std::int64_t>(part.size()));
    for (const char c : part) AddByte(static_cast<unsigned char>(c));
  }
  void AddNumber(std::int64_t number) {
    for (int shift = 0; shift < 64; shift += 8) AddByte(static_cast<unsigned char>(number >> shift));
  }
  std::uint64_t value() const { return hash_; }

 private:
  void AddByte(unsigned char byte) { hash_ = (hash_ ^ byte) * 0x100000001b3ULL; }
  std::uint64_t hash_ = 0xcbf29ce484222325ULL;
};

bool FitsWindow(const ViewSpec& spec, SliceKey key) {
  if (!spec.window || key.is_null) return key.start == 0;
  return WithPhysical(*spec.window, [&]<class V>(std::type_identity<V>) {
    if constexpr (std::is_integral_v<V>)
      return std::in_range<std::conditional_t<std::same_as<V, bool>, int, V>>(key.start);
    return false;
  });
}

arrow::Result<SliceKey> LoadKey(const ViewSpec& spec, StateReader& reader) {
  ARROW_ASSIGN_OR_RAISE(const auto is_null, reader.Take<std::uint8_t>());
  ARROW_ASSIGN_OR_RAISE(const auto start, reader.Take<std::int64_t>());
  const SliceKey key{.is_null = is_null != 0, .start = start};
  if (is_null > 1 || (key.is_null && !spec.window) || !FitsWindow(spec, key)) {
    return arrow::Status::Invalid("View state: a window that is none");
  }
  return key;
}

arrow::Status CheckEnvelope(const ViewSpec& spec, std::string_view bytes, StateReader& reader) {
  const std::string view = spec.query->view.ToString();
  if (!bytes.starts_with(kMagic)) return arrow::Status::Invalid("View state of ", view, ": these are no view states");
  ARROW_RETURN_NOT_OK(reader.TakeBytes(kMagic.size()).status());
  ARROW_ASSIGN_OR_RAISE(const auto version, reader.Take<std::uint32_t>());
  if (version != kVersion) {
    return arrow::Status::Invalid("View state of ", view, ": format version ", version, ", this server reads ",
                                  kVersion);
  }
  ARROW_ASSIGN_OR_RAISE(const auto fingerprint, reader.Take<std::uint64_t>());
  std::uint32_t checksum = 0;
  if (reader.left() < sizeof(checksum)) return arrow::Status::Invalid("View state of ", view, ": it ends too early");
  std::memcpy(&checksum, bytes.data() + bytes.size() - sizeof(checksum), sizeof(checksum));
  if (checksum != StateChecksum(bytes.substr(0, bytes.size() - sizeof(checksum)))) {
    return arrow::Status::Invalid("View state of ", view, ": it is damaged (checksum)");
  }
  if (fingerprint != FingerprintOf(*spec.query)) {
    return arrow::Status::Invalid("View state of ", view, ": it belongs to another definition");
  }
  return arrow::Status::OK();
}

}  // namespace

std::uint32_t StateChecksum(std::string_view bytes) { return arrow::internal::crc32(0, bytes.data(), bytes.size()); }

std::uint64_t FingerprintOf(const AggregateQuery& query) {
  Fingerprint print;
  print.Add(query.definition);
  print.Add(query.time_zone);
  print.AddNumber(query.key_count());
  print.AddNumber(query.window_key);
  for (const auto& field : query.evaluated_schema->fields()) print.Add(field->type()->ToString());
  for (const AggregateColumn& aggregate : query.aggregates) {
    print.AddNumber(static_cast<std::int64_t>(aggregate.kind));
    print.AddNumber(static_cast<std::int64_t>(aggregate.arguments.size()));
    for (const int argument : aggregate.arguments) print.AddNumber(argument);
    print.AddNumber(static_cast<std::int64_t>(aggregate.parameters.size()));
    for (const double parameter : aggregate.parameters) print.AddNumber(std::bit_cast<std::int64_t>(parameter));
    print.Add(aggregate.result_type->ToString());
  }
  return print.value();
}

namespace {

// A zone says how instants are shown: states are the same in all of them.
std::string WithoutZone(std::string type) {
  constexpr std::string_view kZone = "tz=";
  for (std::size_t at = type.find(kZone); at != std::string::npos; at = type.find(kZone, at)) {
    at += kZone.size();
    type.replace(at, type.find(']', at) - at, "UTC");
  }
  return type;
}

std::uint64_t PrintAggregate(const AggregateQuery& query, std::size_t aggregate, bool with_zone) {
  const auto text = [&](const arrow::DataType& type) {
    return with_zone ? type.ToString() : WithoutZone(type.ToString());
  };
  Fingerprint print;
  const RecordLayout layout(query, 0);
  for (std::size_t i = 0; i < query.aggregates.size(); ++i) {
    if (i != aggregate && (layout.ops(i) == nullptr || layout.ops(i) != layout.ops(aggregate))) continue;
    const AggregateColumn& sharing = query.aggregates[i];
    print.AddNumber(static_cast<std::int64_t>(sharing.kind));
    for (const int argument : sharing.arguments) print.Add(text(*query.evaluated_schema->field(argument)->type()));
    print.AddNumber(sharing.filter >= 0 ? 1 : 0);
    print.AddNumber(static_cast<std::int64_t>(sharing.parameters.size()));
    for (const double parameter : sharing.parameters) print.AddNumber(std::bit_cast<std::int64_t>(parameter));
    print.Add(text(*sharing.result_type));
  }
  return print.value();
}

}  // namespace

std::uint64_t FingerprintOfAggregate(const AggregateQuery& query, std::size_t aggregate) {
  return PrintAggregate(query, aggregate, false);
}

std::uint64_t ZonedFingerprintOfAggregate(const AggregateQuery& query, std::size_t aggregate) {
  return PrintAggregate(query, aggregate, true);
}

StateWriter BeginStates(const ViewSpec& spec) {
  StateWriter writer;
  writer.PutBytes(kMagic);
  writer.Put(kVersion);
  writer.Put(FingerprintOf(*spec.query));
  return writer;
}

std::shared_ptr<arrow::Buffer> EndStates(StateWriter writer) {
  writer.Put(StateChecksum(writer.bytes()));
  return arrow::Buffer::FromString(std::move(writer).Take());
}

arrow::Result<StateReader> OpenStates(const ViewSpec& spec, std::string_view bytes) {
  StateReader reader(bytes);
  ARROW_RETURN_NOT_OK(CheckEnvelope(spec, bytes, reader));
  return reader;
}

arrow::Status CheckEnd(const StateReader& reader) {
  if (reader.left() == sizeof(std::uint32_t)) return arrow::Status::OK();
  return arrow::Status::Invalid("View state: bytes are left over");
}

std::shared_ptr<arrow::Buffer> SaveSlices(const ViewSpec& spec, const SliceMap& slices) {
  StateWriter writer = BeginStates(spec);
  writer.Put(static_cast<std::uint64_t>(slices.size()));
  for (const SliceEntry& entry : slices) {
    writer.Put<std::uint8_t>(entry.key.is_null ? 1 : 0);
    writer.Put(entry.key.start);
    entry.slice->Save(*spec.layout, writer);
  }
  return EndStates(std::move(writer));
}

arrow::Result<SliceMap> LoadSlices(const ViewSpec& spec, std::string_view bytes) {
  ARROW_ASSIGN_OR_RAISE(StateReader reader, OpenStates(spec, bytes));
  ARROW_ASSIGN_OR_RAISE(const auto count, reader.Take<std::uint64_t>());
  SliceMap slices;
  for (std::uint64_t i = 0; i < count; ++i) {
    ARROW_ASSIGN_OR_RAISE(const SliceKey key, LoadKey(spec, reader));
    if (!slices.empty() && key <= slices.back().key) {
      return arrow::Status::Invalid("View state: its windows are not in order");
    }
    slices.push_back({.key = key, .slice = std::make_shared<Slice>(spec)});
    ARROW_RETURN_NOT_OK(slices.back().slice->Load(spec, reader));
  }
  ARROW_RETURN_NOT_OK(CheckEnd(reader));
  const bool has_keys = spec.query->key_count() > 0;
  if (!spec.window && slices.size() > 1) return arrow::Status::Invalid("View state: more than one slice");
  if (!has_keys && (slices.size() != 1 || slices.front().slice->group_count() != 1)) {
    return arrow::Status::Invalid("View state: a view without keys has one group");
  }
  return slices;
}

}  // namespace hyprstream::aggregate
