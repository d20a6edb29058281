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

// Copies sets of 32-bit words to words of 64 bits, or back; an odd last word gets zeros above it. Low bytes come first.
void Widen(const uint32_t* from, Word* to, size_t sets, int half_words) {
  const int words = (half_words + 1) / 2;
  for (size_t i = 0; i < sets; ++i) {
    to[(i + 1) * words - 1] = 0;
    std::memcpy(to + i * words, from + i * half_words, half_words * sizeof(uint32_t));
  }
}

void Narrow(const Word* from, uint32_t* to, size_t sets, int half_words) {
  const int words = (half_words + 1) / 2;
  for (size_t i = 0; i < sets; ++i) std::memcpy(to + i * half_words, from + i * words, half_words * sizeof(uint32_t));
}

template <int kFixed>
void AdvanceOne(const Arrays& all, int lane, int num_steps, const Rules& rules) {
  const int words = (all.half_words + 1) / 2;
  const size_t rows = all.users, kinds = all.num_members;
  std::vector<Word> scratch((rows + kinds + kPlanes + 2 + 2 * kBits / 4) * words);
  Society<kFixed> one;
  one.users = all.users, one.num_words = words, one.num_kinds = kinds, one.num_ties = all.num_ties;
  one.adjacency = scratch.data(), one.members = one.adjacency + rows * words;
  one.cooperators = one.members + kinds * words;
  one.planes = all.num_degrees ? one.cooperators + words : nullptr;
  Word* pool = one.cooperators + (1 + kPlanes) * words;
  one.degree = reinterpret_cast<uint16_t*>(pool + words), one.cooperating = one.degree + words * kBits;
  uint32_t* adjacency = all.adjacency + lane * rows * all.half_words;
  uint32_t* cooperators = all.cooperators + static_cast<size_t>(lane) * all.half_words;
  uint32_t* members = all.members + lane * kinds * all.half_words;
  Widen(adjacency, one.adjacency, rows, all.half_words);
  Widen(cooperators, one.cooperators, 1, all.half_words);
  Widen(members, one.members, kinds, all.half_words);
  one.edges = all.edges + static_cast<size_t>(lane) * all.num_ties * 2;
  one.kinds = all.kinds + static_cast<size_t>(lane) * all.num_kinds;
  one.params = all.params[lane], one.rules = rules;
  one.Count();
  one.Advance(num_steps, all.seeds[lane], pool, all.counts + lane);
  for (int user = 0; user < all.num_degrees; ++user) all.degrees[lane * rows + user] = one.degree[user];
  Narrow(one.adjacency, adjacency, rows, all.half_words);
  Narrow(one.cooperators, cooperators, 1, all.half_words);
  Narrow(one.members, members, kinds, all.half_words);
}

template <int kFixed>
void AdvanceAll(const Arrays& all, int lanes, int num_steps, const Rules& rules) {
  for (int lane = 0; lane < lanes; ++lane) AdvanceOne<kFixed>(all, lane, num_steps, rules);
}

int Size(ffi::Span<const int64_t> shape, int axis) { return static_cast<int>(shape[axis]); }

// Arrays that are returned are those that are given, changed in place: `compiled.advance` says so to XLA.
ffi::Error Advance(Bits, Bits, Bits, Ints, Ints, Ints, Bits seeds, Floats params, Ints kinds,
                   ffi::Result<Bits> adjacency, ffi::Result<Bits> cooperators, ffi::Result<Bits> members,
                   ffi::Result<Ints> edges, ffi::Result<Ints> degrees, ffi::Result<Ints> counts, int32_t num_steps,
                   bool clipped, bool self_gate, bool single_clock, bool edge, bool focal, int32_t unfocused) {
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
  const Rules rules{clipped, self_gate, single_clock, edge, focal, unfocused};
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
                                  .Attr<int32_t>("unfocused"));
