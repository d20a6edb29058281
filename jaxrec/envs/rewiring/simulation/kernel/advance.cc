// Time-steps of many societies on a CPU, one after the other, as a call that XLA makes.

#include <cstdint>
#include <cstring>
#include <vector>

#include "society.h"
#include "xla/ffi/api/ffi.h"

namespace ffi = xla::ffi;

namespace jaxrec {
namespace {

using Bits = ffi::Buffer<ffi::U32>;
using Ints = ffi::Buffer<ffi::S32>;
using Floats = ffi::Buffer<ffi::F32>;

struct Arrays {  // of all societies, one after the other
  uint32_t *adjacency, *cooperators, *members;
  int32_t *edges, *degrees;
  Counts* counts;
  const Generator* seeds;
  const Params* params;
  const Kind* kinds;
  int users, half_words, num_kinds, num_members, num_ties, num_degrees;
};

// Sets of 32-bit words as sets of words of 64 bits, low bytes first: the same memory if their number is even, else a
// copy with zeros above an odd last word, which is written back at the end.
class Sets {
 public:
  Sets(uint32_t* given, size_t number, int half_words)
      : given_(given), half_words_(half_words), copy_(half_words % 2 ? number * Words() : 0) {
    for (size_t i = 0; i < copy_.size() / Words(); ++i) {
      std::memcpy(&copy_[i * Words()], given_ + i * half_words_, half_words_ * sizeof(uint32_t));
    }
  }

  ~Sets() {
    for (size_t i = 0; i < copy_.size() / Words(); ++i) {
      std::memcpy(given_ + i * half_words_, &copy_[i * Words()], half_words_ * sizeof(uint32_t));
    }
  }

  Word* data() { return half_words_ % 2 ? copy_.data() : reinterpret_cast<Word*>(given_); }

 private:
  size_t Words() const { return (half_words_ + 1) / 2; }

  uint32_t* given_;
  int half_words_;
  std::vector<Word> copy_;
};

template <int kFixed, bool kUsual>
void AdvanceOne(const Arrays& all, int lane, int num_steps, const Rules& rules) {
  const int words = (all.half_words + 1) / 2;
  const size_t rows = all.users, kinds = all.num_members, each = all.half_words;
  Sets adjacency(all.adjacency + lane * rows * each, rows, each);
  Sets cooperators(all.cooperators + lane * each, 1, each);
  Sets members(all.members + lane * kinds * each, kinds, each);
  std::vector<Word> planes(kPlanes * words), pool(words);
  std::vector<uint16_t> degree(words * kBits), cooperating(words * kBits);
  Society<kFixed, kUsual> one;
  one.users = all.users, one.num_words = words, one.num_kinds = kinds, one.num_ties = all.num_ties;
  one.adjacency = adjacency.data(), one.cooperators = cooperators.data(), one.members = members.data();
  one.edges = all.edges + static_cast<size_t>(lane) * all.num_ties * 2;
  one.degree = degree.data(), one.cooperating = cooperating.data();
  one.planes = all.num_degrees ? planes.data() : nullptr;
  one.kinds = all.kinds + static_cast<size_t>(lane) * all.num_kinds;
  one.params = all.params[lane], one.rules = rules;
  one.Count();
  one.Advance(num_steps, all.seeds[lane], pool.data(), all.counts + lane);
  for (int user = 0; user < all.num_degrees; ++user) all.degrees[lane * rows + user] = degree[user];
}

template <int kFixed>
void AdvanceAll(const Arrays& all, int lanes, int num_steps, const Rules& rules) {
  const bool usual = rules == kCarvalho && !all.num_members && !all.num_degrees;
  for (int lane = 0; lane < lanes; ++lane) {
    usual ? AdvanceOne<kFixed, true>(all, lane, num_steps, rules)
          : AdvanceOne<kFixed, false>(all, lane, num_steps, rules);
  }
}

int Size(ffi::Span<const int64_t> shape, int axis) { return static_cast<int>(shape[axis]); }

// Arrays that are returned are those that are given, changed in place: `compiled.advance` says so to XLA.
ffi::Error Advance(Bits, Bits, Bits, Ints, Ints, Ints, Bits seeds, Floats params, Ints kinds,
                   ffi::Result<Bits> adjacency, ffi::Result<Bits> cooperators, ffi::Result<Bits> members,
                   ffi::Result<Ints> edges, ffi::Result<Ints> degrees, ffi::Result<Ints> counts, int32_t num_steps,
                   bool clipped, bool self_gate, bool single_clock, bool edge, bool focal, bool average,
                   bool goods, bool by_player, float factor, int32_t unfocused) {
  const auto shape = adjacency->dimensions();
  const Arrays all{adjacency->typed_data(),
                   cooperators->typed_data(),
                   members->typed_data(),
                   edges->typed_data(),
                   degrees->typed_data(),
                   reinterpret_cast<Counts*>(counts->typed_data()),
                   reinterpret_cast<const Generator*>(seeds.typed_data()),
                   reinterpret_cast<const Params*>(params.typed_data()),
                   reinterpret_cast<const Kind*>(kinds.typed_data()),
                   Size(shape, 1),
                   Size(shape, 2),
                   Size(kinds.dimensions(), 1),
                   Size(members->dimensions(), 1),
                   Size(edges->dimensions(), 1),
                   Size(degrees->dimensions(), 1)};
  const Rules rules{clipped, self_gate, single_clock, edge, focal, average, goods, by_player,
                    factor,  unfocused};
  const int lanes = Size(shape, 0);
  switch ((all.half_words + 1) / 2) {  // the sizes that studies use are known to the compiler
    case 2:
      AdvanceAll<2>(all, lanes, num_steps, rules);
      break;
    case 8:
      AdvanceAll<8>(all, lanes, num_steps, rules);
      break;
    case 16:
      AdvanceAll<16>(all, lanes, num_steps, rules);
      break;
    default:
      AdvanceAll<0>(all, lanes, num_steps, rules);
  }
  return ffi::Error::Success();
}

}  // namespace
}  // namespace jaxrec

XLA_FFI_DEFINE_HANDLER_SYMBOL(RewiringAdvance, jaxrec::Advance,
                              ffi::Ffi::Bind()
                                  .Arg<jaxrec::Bits>()
                                  .Arg<jaxrec::Bits>()
                                  .Arg<jaxrec::Bits>()
                                  .Arg<jaxrec::Ints>()
                                  .Arg<jaxrec::Ints>()
                                  .Arg<jaxrec::Ints>()
                                  .Arg<jaxrec::Bits>()
                                  .Arg<jaxrec::Floats>()
                                  .Arg<jaxrec::Ints>()
                                  .Ret<jaxrec::Bits>()
                                  .Ret<jaxrec::Bits>()
                                  .Ret<jaxrec::Bits>()
                                  .Ret<jaxrec::Ints>()
                                  .Ret<jaxrec::Ints>()
                                  .Ret<jaxrec::Ints>()
                                  .Attr<int32_t>("num_steps")
                                  .Attr<bool>("clipped")
                                  .Attr<bool>("self_gate")
                                  .Attr<bool>("single_clock")
                                  .Attr<bool>("edge")
                                  .Attr<bool>("focal")
                                  .Attr<bool>("average")
                                  .Attr<bool>("goods")
                                  .Attr<bool>("by_player")
                                  .Attr<float>("factor")
                                  .Attr<int32_t>("unfocused"));
