// Time-steps of one society on a CPU: dynamics.py and random.py once more.
//
// Draws, decisions and their order are those of `dynamics.time_step` given the same words; floats may round otherwise.
// A society stays in the cache for all its time-steps, and a decision that is not taken costs nothing.

#ifndef JAXREC_REWIRING_SOCIETY_H_
#define JAXREC_REWIRING_SOCIETY_H_

#include <cmath>
#include <cstdint>

namespace jaxrec {

using Word = uint64_t;
constexpr int kBits = 64;
constexpr int kPlanes = 14;  // a degree has so many bits

struct Rules {
  bool clipped, self_gate, single_clock, edge, focal;
  int unfocused;
};

struct Params {  // the order of `compiled.PARAMS`
  float influence, beta, temptation, sucker, timescale, adoption_timescale, adoption_beta;
};

struct Kind {  // the order of `compiled.KIND`
  int32_t accepts[2][2], local, degree, exclusive;
};

struct Counts {
  int32_t opportunities, requests, rewires;
};

struct User {
  int index;
  const Word* ties;
  int degree;
  bool cooperates;
  float fitness;
};

inline uint32_t Rotated(uint32_t word, int bits) { return (word << bits) | (word >> (32 - bits)); }

inline uint32_t Draw(uint32_t* s) {
  const uint32_t word = Rotated(s[0] + s[3], 7) + s[0], shifted = s[1] << 9;
  s[2] ^= s[0], s[3] ^= s[1], s[1] ^= s[2], s[0] ^= s[3], s[2] ^= shifted;
  s[3] = Rotated(s[3], 11);
  return word;
}

inline int Choose(uint32_t* word, uint32_t n) {  // in 0 ... n - 1; the remaining bits are left in `word`
  const uint64_t product = uint64_t{*word} * n;
  *word = static_cast<uint32_t>(product);
  return static_cast<int>(product >> 32);
}

inline float Uniform(uint32_t word) { return static_cast<float>(word >> 8) * 0x1p-24f; }

inline float Sigmoid(float x) { return 1.0f / (1.0f + std::exp(-x)); }

inline Word Bit(int user) { return Word{1} << (user % kBits); }

inline bool Has(const Word* set, int user) { return set[user / kBits] & Bit(user); }

inline void Put(Word* set, int user, bool member) {
  set[user / kBits] = (set[user / kBits] & ~Bit(user)) | (member ? Bit(user) : 0);
}

template <int kFixed>  // words of a set, if known to the compiler, else 0
struct Society {
  int users, num_words, num_kinds;
  Word* adjacency;
  Word* cooperators;
  Word* members;
  int32_t* edges;
  int num_ties;
  int32_t* degrees;  // null if no recommender reads them
  Word* planes;      // bit p of the degree of each user, as a set, for each p
  const Kind* kinds;
  Params params;
  Rules rules;

  int words() const { return kFixed ? kFixed : num_words; }
  Word* Row(int user) const { return adjacency + static_cast<size_t>(user) * words(); }
  Word* Members(int kind) const { return members + kind * words(); }

  float Payoff(bool own, bool other) const {
    return own ? (other ? 1.0f : params.sucker) : (other ? params.temptation : 0.0f);
  }

  User At(int index) const {
    const Word* ties = Row(index);
    int degree = 0, cooperating = 0;
    for (int i = 0; i < words(); ++i) {
      degree += __builtin_popcountll(ties[i]);
      cooperating += __builtin_popcountll(ties[i] & cooperators[i]);
    }
    const bool own = Has(cooperators, index);
    const float fitness = cooperating * Payoff(own, true) + (degree - cooperating) * Payoff(own, false);
    return {index, ties, degree, own, fitness};
  }

  int Select(const Word* set, int rank) const {  // the member with `rank` smaller ones; 0 <= rank < count
    int i = 0;
    for (int count; rank >= (count = __builtin_popcountll(set[i])); ++i) rank -= count;
    Word word = set[i];
    for (; rank > 0; --rank) word &= word - 1;
    return i * kBits + __builtin_ctzll(word);
  }

  int KindOf(int user) const {
    int kind = 0;
    for (int i = 1; i < num_kinds; ++i) kind = Has(Members(i), user) ? i : kind;
    return kind;
  }

  // Writes the candidates of `user`, who leaves `partner`, to `pool`; returns their number.
  int Candidates(const User& user, const User& partner, bool follows, Word* pool) const {
    const int number = num_kinds ? KindOf(user.index) : 0;
    const Kind& kind = kinds[number];
    const Word defect = kind.accepts[user.cooperates][0] || !follows ? ~Word{0} : 0;
    const Word cooperate = kind.accepts[user.cooperates][1] || !follows ? ~Word{0} : 0;
    const Word anywhere = kind.local || !follows ? 0 : ~Word{0};
    for (int i = 0; i < words(); ++i) {
      const Word accepted = (cooperators[i] & cooperate) | (~cooperators[i] & defect);
      pool[i] = accepted & ~user.ties[i] & (partner.ties[i] | anywhere);
    }
    Put(pool, user.index, false);
    if (users % kBits) pool[words() - 1] &= Bit(users) - 1;
    if (kind.exclusive && follows && num_kinds) {
      for (int i = 0; i < words(); ++i) pool[i] &= Members(number)[i];
    }
    if (kind.degree && follows && degrees) KeepExtreme(pool, kind.degree > 0);
    int size = 0;
    for (int i = 0; i < words(); ++i) size += __builtin_popcountll(pool[i]);
    return size;
  }

  void KeepExtreme(Word* pool, bool highest) const {  // decides about one bit of the degree after the other
    const Word flip = highest ? 0 : ~Word{0};
    for (int p = kPlanes - 1; p >= 0; --p) {
      if (users >> p == 0) continue;
      const Word* plane = planes + p * words();
      Word any = 0;
      for (int i = 0; i < words(); ++i) any |= pool[i] & (plane[i] ^ flip);
      if (!any) continue;
      for (int i = 0; i < words(); ++i) pool[i] &= plane[i] ^ flip;
    }
  }

  void AddDegree(int user, int change) {
    if (!degrees) return;
    int flipped = degrees[user] ^ (degrees[user] + change);
    degrees[user] += change;
    for (int p = 0; flipped; ++p, flipped >>= 1) {
      if (flipped & 1) planes[p * words() + user / kBits] ^= Bit(user);
    }
  }

  void Move(int user, int old, int next) {
    Row(user)[old / kBits] &= ~Bit(old);
    Row(old)[user / kBits] &= ~Bit(user);
    Row(user)[next / kBits] |= Bit(next);
    Row(next)[user / kBits] |= Bit(user);
    AddDegree(old, -1);
    AddDegree(next, 1);
  }

  void Advance(int num_steps, uint32_t* state, Word* pool, Counts* counts) {
    const float until_adopting = num_kinds ? 1.0f - 1.0f / (1.0f + params.adoption_timescale) : 0.0f;
    const float until_strategy = until_adopting + (1.0f - until_adopting) / (1.0f + params.timescale);
    for (int step = 0; step < num_steps; ++step) {
      uint32_t word = Draw(state), spare = word;
      float chance = Uniform(Draw(state));
      uint32_t choice = Draw(state);
      const bool adopting = !rules.single_clock && chance < until_adopting;
      const bool structural = rules.single_clock || chance >= until_strategy;
      if (!rules.single_clock) {
        const float low = adopting ? 0.0f : structural ? until_strategy : until_adopting;
        const float high = adopting ? until_adopting : structural ? 1.0f : until_strategy;
        chance = (chance - low) / std::fmax(high - low, 0x1p-126f);
      }
      counts->opportunities += structural;
      int index = Choose(&word, users - rules.unfocused), tie = 0, end = 0;
      const bool drawn = rules.edge && structural;
      if (drawn) {
        tie = Choose(&spare, num_ties);
        const bool turned = spare >> 31;
        index = edges[2 * tie + turned], end = edges[2 * tie + !turned];
        spare <<= 1;
      }
      const User x = At(index);
      const int rank = Choose(&word, x.degree);
      const uint32_t coin = drawn ? spare : word;
      if (x.degree == 0) continue;  // it meets itself, which changes nothing
      const User y = At(drawn ? end : Select(x.ties, rank));
      const float ahead = y.fitness - x.fitness;
      const float imitation = rules.clipped ? std::fmax(ahead, 0.0f) : ahead;
      const float argument = structural && rules.self_gate ? -ahead : imitation;
      const float beta = adopting ? params.adoption_beta : params.beta;
      const bool won = rules.single_clock || chance < Sigmoid(beta * argument);
      if (!structural) {
        if (!won) continue;
        if (!adopting) {
          Put(cooperators, x.index, y.cooperates);
        } else {
          for (int i = 0; i < num_kinds; ++i) Put(Members(i), x.index, Has(Members(i), y.index));
        }
        continue;
      }
      const bool leaves_y = !y.cooperates, leaves_x = !x.cooperates;
      counts->requests += leaves_y || (!rules.focal && leaves_x);
      const bool acts = rules.focal ? leaves_y && (won || leaves_x) : (won ? leaves_y : leaves_x);
      int next = 0;
      bool moved = false;
      if (acts) {
        const User &user = won ? x : y, &partner = won ? y : x;
        const int size = Candidates(user, partner, Uniform(coin) < params.influence, pool);
        moved = size > 0 && partner.degree > 1;
        if (moved) {
          next = Select(pool, Choose(&choice, size));
          Move(user.index, partner.index, next);
          ++counts->rewires;
          if (rules.edge) edges[2 * tie] = user.index, edges[2 * tie + 1] = next;
        }
      }
      if (!rules.single_clock) continue;
      float x_fitness = x.fitness, y_fitness = y.fitness;
      if (moved) {
        x_fitness += Payoff(x.cooperates, Has(cooperators, next)) - Payoff(x.cooperates, y.cooperates);
        y_fitness -= Payoff(y.cooperates, x.cooperates);
      }
      if (chance < Sigmoid(params.beta * (y_fitness - x_fitness))) Put(cooperators, x.index, y.cooperates);
    }
  }
};

}  // namespace jaxrec

#endif  // JAXREC_REWIRING_SOCIETY_H_
