// Time-steps of one society on a CPU: `dynamics.time_step` once more.
//
// Draws, decisions and their order are those of `dynamics.time_step` given the same words; floats may round otherwise.
// A society stays in the cache for all its time-steps, and a decision that is not taken costs nothing.

#ifndef JAXREC_REWIRING_SOCIETY_H_
#define JAXREC_REWIRING_SOCIETY_H_

#include <cmath>
#include <cstdint>
#include <cstring>

#include "draws.h"
#include "rules.h"

namespace jaxrec {

constexpr int kPlanes = 14;  // a degree has so many bits

struct User {
  uint32_t index;
  bool cooperates;
};

// kFixed: words of a set, if known to the compiler, else 0. kUsual: the rules are those of the author's program, and one
// recommender reads no degrees. The compiler then leaves out what these never do.
template <int kFixed, bool kUsual>
struct Society {
  int users, num_words, num_kinds;
  Word* adjacency;
  Word* cooperators;
  Word* members;
  int32_t* edges;
  int num_ties;
  uint16_t* degree;       // of each user, by `Count`; room for whole words
  uint16_t* cooperating;  // and how many of its neighbours cooperate
  Word* planes;      // bit p of the degree of each user, as a set, for each p; null if no recommender reads degrees
  const Kind* kinds;
  Params params;
  Rules rules;
  int seen;             // bits that some degree had: others are 0 in all planes
  float payoffs[2][2];  // of a user with strategy i against one with j

  Rules law() const { return kUsual ? kCarvalho : rules; }
  bool with_kinds() const { return !kUsual && num_kinds; }
  bool with_degrees() const { return !kUsual && planes; }
  int words() const { return kFixed ? kFixed : num_words; }
  Word* Row(uint32_t user) const { return adjacency + static_cast<size_t>(user) * words(); }
  Word* Members(int kind) const { return members + kind * words(); }

  void Count() {  // what is not given
    seen = 0;
    for (int user = 0; user < users; ++user) {
      int all = 0, some = 0;
      for (int i = 0; i < words(); ++i) {
        all += __builtin_popcountll(Row(user)[i]);
        some += __builtin_popcountll(Row(user)[i] & cooperators[i]);
      }
      degree[user] = all, cooperating[user] = some;
      seen |= all;
      for (int p = 0; planes && p < kPlanes; ++p) Put(planes + p * words(), user, all >> p & 1);
    }
    payoffs[0][0] = 0.0f, payoffs[0][1] = params.temptation, payoffs[1][0] = params.sucker, payoffs[1][1] = 1.0f;
  }

  User At(uint32_t index) const { return {index, Has(cooperators, index)}; }

  float Fitness(const User& user) const {
    const int all = degree[user.index], some = cooperating[user.index];
    const float sum = law().goods
                          ? OfGoods(user)
                          : some * payoffs[user.cooperates][1] + (all - some) * payoffs[user.cooperates][0];
    return law().average ? sum / (all > 1 ? all : 1) : sum;
  }

  template <typename Visit>
  void ForGroup(uint32_t user, Visit visit) const {  // the user and its neighbours
    visit(user);
    for (int i = 0; i < words(); ++i) {
      for (Word left = Row(user)[i]; left; left &= left - 1) visit(i * kBits + __builtin_ctzll(left));
    }
  }

  float OfGoods(const User& user) const {  // `games.payoff_of_goods` once more
    float sum = 0.0f;
    ForGroup(user.index, [&](uint32_t group) {
      float given = cooperating[group] + Has(cooperators, group);
      if (law().by_player) {
        given = 0.0f;
        ForGroup(group, [&](uint32_t member) { given += Has(cooperators, member) / (degree[member] + 1.0f); });
      }
      sum += given / (degree[group] + 1.0f);
    });
    const float cost = law().by_player ? 1.0f : degree[user.index] + 1.0f;
    return law().factor * sum - (user.cooperates ? cost : 0.0f);
  }

  uint32_t Select(const Word* set, uint32_t rank) const {  // the member with `rank` smaller ones; 0 <= rank < count
    uint32_t word = 0, before = 0, first = 0;
    for (int i = 0; i + 1 < words(); ++i) {  // without a branch, which would be guessed wrongly
      before += __builtin_popcountll(set[i]);
      word += rank >= before;
      first = rank >= before ? before : first;
    }
    return word * kBits + SelectBit(set[word], rank - first);
  }

  int KindOf(uint32_t user) const {
    int kind = 0;
    for (int i = 1; i < num_kinds; ++i) kind = Has(Members(i), user) ? i : kind;
    return kind;
  }

  // Writes the candidates of `user`, who leaves `partner`, to `pool`; returns their number.
  int Candidates(const User& user, const User& partner, bool follows, Word* pool) const {
    const int number = with_kinds() ? KindOf(user.index) : 0;
    const Kind& kind = kinds[number];
    const Word defect = kind.accepts[user.cooperates][0] || !follows ? ~Word{0} : 0;
    const Word cooperate = kind.accepts[user.cooperates][1] || !follows ? ~Word{0} : 0;
    const Word anywhere = kind.local || !follows ? 0 : ~Word{0};
    const Word *own = Row(user.index), *theirs = Row(partner.index);
    for (int i = 0; i < words(); ++i) {
      const Word accepted = (cooperators[i] & cooperate) | (~cooperators[i] & defect);
      pool[i] = accepted & ~own[i] & (theirs[i] | anywhere);
    }
    Put(pool, user.index, false);
    if (users % kBits) pool[words() - 1] &= Bit(users) - 1;
    if (kind.exclusive && follows && with_kinds()) {
      for (int i = 0; i < words(); ++i) pool[i] &= Members(number)[i];
    }
    if (kind.degree && follows && with_degrees()) KeepExtreme(pool, kind.degree > 0);
    int size = 0;
    for (int i = 0; i < words(); ++i) size += __builtin_popcountll(pool[i]);
    return size;
  }

  void KeepExtreme(Word* pool, bool highest) const {  // decides about one bit of the degree after the other
    const Word flip = highest ? 0 : ~Word{0};
    for (int p = kPlanes - 1; p >= 0; --p) {
      if (seen >> p == 0) continue;
      const Word* plane = planes + p * words();
      Word any = 0;
      for (int i = 0; i < words(); ++i) any |= pool[i] & (plane[i] ^ flip);
      if (!any) continue;
      for (int i = 0; i < words(); ++i) pool[i] &= plane[i] ^ flip;
    }
  }

  void AddTie(uint32_t user, int change, bool cooperates) {
    const int before = degree[user];
    degree[user] += change;
    seen |= degree[user];
    cooperating[user] += cooperates ? change : 0;
    if (!with_degrees()) return;
    for (int flipped = before ^ degree[user], p = 0; flipped; ++p, flipped >>= 1) {
      if (flipped & 1) planes[p * words() + user / kBits] ^= Bit(user);
    }
  }

  void Move(const User& user, const User& old, uint32_t next) {
    const bool cooperates = Has(cooperators, next);
    Row(user.index)[old.index / kBits] &= ~Bit(old.index);
    Row(old.index)[user.index / kBits] &= ~Bit(user.index);
    Row(user.index)[next / kBits] |= Bit(next);
    Row(next)[user.index / kBits] |= Bit(user.index);
    cooperating[user.index] += cooperates - old.cooperates;
    AddTie(old.index, -1, user.cooperates);
    AddTie(next, 1, user.cooperates);
  }

  __attribute__((noinline)) void Imitate(const User& user, bool cooperates) {
    if (user.cooperates == cooperates) return;
    Put(cooperators, user.index, cooperates);
    using Lanes = uint16_t __attribute__((vector_size(32)));
    constexpr Lanes kEach = {1u << 0, 1u << 1, 1u << 2,  1u << 3,  1u << 4,  1u << 5,  1u << 6,  1u << 7,
                             1u << 8, 1u << 9, 1u << 10, 1u << 11, 1u << 12, 1u << 13, 1u << 14, 1u << 15};
    const uint16_t change = cooperates ? 1 : -1;
    const auto* row = reinterpret_cast<const char*>(Row(user.index));
    for (int i = 0; i < words() * kBits / 16; ++i) {  // 16 users at a time, the lowest bits first
      uint16_t bits;
      std::memcpy(&bits, row + i * sizeof(bits), sizeof(bits));
      const Lanes part = Lanes{} + bits;
      Lanes counts;
      std::memcpy(&counts, cooperating + i * 16, sizeof(counts));
      counts += Lanes((part & kEach) == kEach) & change;
      std::memcpy(cooperating + i * 16, &counts, sizeof(counts));
    }
  }

  void Advance(int num_steps, Generator generator, Word* pool, Counts* counts) {
    // One uniform number names the update, and its remainder decides about success.
    const float adopting = with_kinds() ? 1.0f - 1.0f / (1.0f + params.adoption_timescale) : 0.0f;
    const float strategy = adopting + (1.0f - adopting) / (1.0f + params.timescale);
    Counts added{0, 0, 0};
    uint32_t next[3] = {generator.Draw(), generator.Draw(), generator.Draw()};
    for (int step = 0; step < num_steps; ++step) {
      const uint32_t word = next[0], choice = next[2];
      const float number = Uniform(next[1]);
      for (uint32_t& each : next) each = generator.Draw();  // early: no branch has to wait for them
      if (law().single_clock) {
        Structural(word, number, choice, pool, &added);
      } else if (number >= strategy) {
        Structural(word, Left(number, strategy, 1.0f), choice, pool, &added);
      } else if (with_kinds() && number < adopting) {
        Adoption(word, Left(number, 0.0f, adopting));
      } else {
        Imitation(word, Left(number, adopting, strategy));
      }
    }
    counts->opportunities += added.opportunities, counts->requests += added.requests, counts->rewires += added.rewires;
  }

  bool Meet(uint32_t* word, User* x, User* y) const {  // a user and a neighbour of it; false if it has none
    const uint32_t index = Choose(word, users - law().unfocused), all = degree[index];
    if (__builtin_expect(all == 0, false)) return false;
    *x = At(index);
    *y = At(Select(Row(index), Choose(word, all)));
    return true;
  }

  bool Copies(const User& x, const User& y, float chance, float beta) const {
    const float ahead = Fitness(y) - Fitness(x);
    return Below(chance, beta * (law().clipped ? 0.5f * (ahead + std::fabs(ahead)) : ahead));
  }

  void Adoption(uint32_t word, float chance) {
    User x, y;
    if (!Meet(&word, &x, &y) || !Copies(x, y, chance, params.adoption_beta)) return;
    for (int i = 0; i < num_kinds; ++i) Put(Members(i), x.index, Has(Members(i), y.index));
  }

  void Imitation(uint32_t word, float chance) {
    User x, y;
    if (!Meet(&word, &x, &y) || x.cooperates == y.cooperates) return;
    if (Copies(x, y, chance, params.beta)) Imitate(x, y.cooperates);
  }

  void Structural(uint32_t word, float chance, uint32_t choice, Word* pool, Counts* counts) {
    ++counts->opportunities;
    User x, y;
    uint32_t tie = 0;
    if (law().edge) {
      tie = Choose(&word, num_ties);
      const bool turned = word >> 31;
      x = At(edges[2 * tie + turned]), y = At(edges[2 * tie + !turned]);
      word <<= 1;
    } else if (!Meet(&word, &x, &y)) {
      return;  // it meets itself, which changes nothing
    }
    const bool leaves_y = !y.cooperates, leaves_x = !x.cooperates;
    const bool request = leaves_y || (!law().focal && leaves_x);
    counts->requests += request;
    int next = -1;
    if (request) {
      const bool won = law().single_clock || Wins(x, y, chance);
      const bool acts = law().focal ? won | leaves_x : (won ? leaves_y : leaves_x);
      const User both[2] = {x, y};  // not two branches: one that is guessed wrongly costs half a time-step
      if (acts) next = Rewire(both[!won], both[won], word, choice, pool);
      counts->rewires += next >= 0;
      if (law().edge && next >= 0) edges[2 * tie] = both[!won].index, edges[2 * tie + 1] = next;
    }
    if (law().single_clock && Copies(x, y, chance, params.beta)) Imitate(x, y.cooperates);  // after the rewire
  }

  bool Wins(const User& x, const User& y, float chance) const {
    if (law().self_gate) return Below(chance, params.beta * (Fitness(x) - Fitness(y)));
    return Copies(x, y, chance, params.beta);
  }

  // Moves the tie between `user` and `partner`; returns the new neighbour, or -1 if the tie stays.
  __attribute__((noinline)) int Rewire(const User& user, const User& partner, uint32_t coin, uint32_t choice,
                                       Word* pool) {
    const int size = Candidates(user, partner, Uniform(coin) < params.influence, pool);
    if (size == 0 || degree[partner.index] < 2) return -1;
    const uint32_t next = Select(pool, Choose(&choice, size));
    Move(user, partner, next);
    return static_cast<int>(next);
  }
};

}  // namespace jaxrec

#endif  // JAXREC_REWIRING_SOCIETY_H_
