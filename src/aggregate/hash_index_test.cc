#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <random>
#include <utility>
#include <vector>

#include "aggregate/hash_index_internal.h"
#include "aggregate/table_blocks_internal.h"
#include "gtest/gtest.h"

namespace hyprstream::aggregate {
namespace {

// An index of groups 0, 1, 2 and so on, without their records.
class Index {
 public:
  Index() : blocks_(std::shared_ptr<const RecordLayout>()) { index_.Start(0, blocks_); }
  explicit Index(Index* older) : blocks_(&older->blocks_), index_(older->index_), groups_(older->groups_) {}
  ~Index() {
    blocks_.Leave([this](const auto& leave) { index_.ForEachBlock(leave); });
  }
  Index& operator=(const Index&) = delete;

  // Tags are those of the groups, by number; those that this index does not have yet are added.
  void AddUntil(std::uint32_t groups, const std::vector<std::uint32_t>& tags) {
    blocks_.BeginWrite();
    for (; groups_ < groups; ++groups_) {
      const std::uint32_t tag = tags[groups_];
      const auto is_it = [](std::uint32_t) { return false; };
      index_.FindOrAdd(index_.SegmentOf(tag), tag, blocks_, is_it, [this] { return groups_; });
    }
    blocks_.EndWrite();
  }
  bool Has(std::uint32_t group, std::uint32_t tag) const {
    return index_.Find(tag, groups_, [group](std::uint32_t found) { return found == group; }).has_value();
  }
  // A copy that may be added to beside this one.
  std::unique_ptr<Index> Apart() const { return std::unique_ptr<Index>(new Index(*this)); }
  std::uint32_t groups() const { return groups_; }
  std::int64_t bytes() const { return index_.all_bytes(); }

 private:
  Index(const Index& other)
      : blocks_(std::shared_ptr<const RecordLayout>()),
        index_(other.index_, other.groups_, blocks_),
        groups_(other.groups_) {}

  TableBlocks blocks_;
  HashIndex index_;
  std::uint32_t groups_ = 0;
};

std::vector<std::uint32_t> RandomTags(std::size_t count) {
  std::mt19937 random(7);
  std::vector<std::uint32_t> tags(count);
  for (std::uint32_t& tag : tags) tag = static_cast<std::uint32_t>(random());
  return tags;
}

// Looks at one in `apart`.
void ExpectItsGroupsAlone(const Index& index, const std::vector<std::uint32_t>& tags, std::uint32_t apart) {
  for (std::uint32_t group = 0; group < tags.size(); group += apart) {
    ASSERT_EQ(index.Has(group, tags[group]), group < index.groups()) << group;
  }
}

TEST(HashIndex, TakesNoMoreBytesThanItsBound) {
  const std::vector<std::uint32_t> tags = RandomTags(1'800'000);
  Index index;
  for (std::uint32_t groups = 1; groups <= tags.size(); groups += 1 + groups / 50) {
    index.AddUntil(groups, tags);
    ASSERT_LE(index.bytes(), HashIndex::BytesBound(groups)) << groups;
  }
  ExpectItsGroupsAlone(index, tags, 1);
}

// Segments that stand in several places of the directory are filled up through any of them.
TEST(HashIndex, CopiesKeepWhatTheyHadWhileTheNewestIsFilled) {
  const std::vector<std::uint32_t> tags = RandomTags(1'000'000);
  std::deque<std::unique_ptr<Index>> copies;
  copies.push_back(std::make_unique<Index>());
  for (std::uint32_t groups = 30'000; groups < tags.size(); groups += 30'000) {
    copies.push_back(std::make_unique<Index>(copies.back().get()));
    copies.back()->AddUntil(groups, tags);
    if (copies.size() < 6) continue;
    ExpectItsGroupsAlone(*copies.front(), tags, 101);
    copies.pop_front();
  }
  for (const auto& copy : copies) ExpectItsGroupsAlone(*copy, tags, 7);
  const auto apart = copies.front()->Apart();
  ExpectItsGroupsAlone(*apart, tags, 7);
  apart->AddUntil(static_cast<std::uint32_t>(tags.size()), tags);
  ExpectItsGroupsAlone(*apart, tags, 7);
}

TEST(HashIndex, TakesTagsThatAreMostlyTheSame) {
  std::vector<std::uint32_t> tags = RandomTags(600'000);
  for (std::size_t i = 0; i < 2000; ++i) tags[i * 300] = 0xabcd1234;
  Index index;
  index.AddUntil(450'000, tags);
  Index next(&index);
  next.AddUntil(static_cast<std::uint32_t>(tags.size()), tags);
  ExpectItsGroupsAlone(index, tags, 10);
  ExpectItsGroupsAlone(next, tags, 10);
}

}  // namespace
}  // namespace hyprstream::aggregate
