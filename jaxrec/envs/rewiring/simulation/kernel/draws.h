// Random numbers and sets of users: random.py, draws.py and bitset.py once more, with words of 64 bits for sets.

#ifndef JAXREC_REWIRING_DRAWS_H_
#define JAXREC_REWIRING_DRAWS_H_

#include <cmath>
#include <cstdint>
#ifdef __BMI2__
#include <immintrin.h>
#endif

namespace jaxrec {

using Word = uint64_t;
constexpr int kBits = 64;

inline uint32_t Rotated(uint32_t word, int bits) { return (word << bits) | (word >> (32 - bits)); }

struct Generator {  // xoshiro128++, of random.py
  uint32_t a, b, c, d;

  uint32_t Draw() {
    const uint32_t word = Rotated(a + d, 7) + a, shifted = b << 9;
    c ^= a, d ^= b, b ^= c, a ^= d, c ^= shifted;
    d = Rotated(d, 11);
    return word;
  }
};

inline uint32_t Choose(uint32_t* word, uint32_t n) {  // in 0 ... n - 1; the remaining bits are left in `word`
  const uint64_t product = uint64_t{*word} * n;
  *word = static_cast<uint32_t>(product);
  return static_cast<uint32_t>(product >> 32);
}

inline float Uniform(uint32_t word) { return static_cast<float>(word >> 8) * 0x1p-24f; }

// Whether chance < 1 / (1 + exp(-x)). A sigmoid lies between 1/2 and its tangent at 0, which decides most cases.
// Here and below arithmetic takes the place of branches that would often be guessed wrongly.
inline bool Below(float chance, float x) {
  const float slope = 0.125f * x, size = std::fabs(slope);
  const float low = 0.5f + (slope - size), high = 0.5f + (slope + size);
  // One comparison that is almost never true, and not two of which one often is: compilers branch on each.
  if (__builtin_expect(std::fabs(chance - 0.5f - slope) <= size + 1e-6f, false)) {
    if (chance >= low && chance < high) return chance < 1.0f / (1.0f + std::exp(-x));
  }
  return chance < low;
}

inline float Left(float number, float low, float high) {
  const float width = high - low;
  return (number - low) / (width > 0x1p-126f ? width : 0x1p-126f);
}

inline Word Bit(uint32_t user) { return Word{1} << (user % kBits); }

inline bool Has(const Word* set, uint32_t user) { return set[user / kBits] >> (user % kBits) & 1; }

inline void Put(Word* set, uint32_t user, bool member) {
  set[user / kBits] = (set[user / kBits] & ~Bit(user)) | Word{member} << (user % kBits);
}

inline uint32_t SelectBit(Word word, uint32_t rank) {
#ifdef __BMI2__
  return __builtin_ctzll(_pdep_u64(Word{1} << rank, word));
#else
  for (; rank > 0; --rank) word &= word - 1;
  return __builtin_ctzll(word);
#endif
}

}  // namespace jaxrec

#endif  // JAXREC_REWIRING_DRAWS_H_
