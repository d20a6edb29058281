// What a call of the kernel is given: rules.py and `compiled` once more.

#ifndef JAXREC_REWIRING_RULES_H_
#define JAXREC_REWIRING_RULES_H_

#include <cstdint>

namespace jaxrec {

struct Rules {
  bool clipped, self_gate, single_clock, edge, focal, average;
  bool goods, by_player;  // public goods, paid for by the game or by the player
  float factor;
  int unfocused;

  bool operator==(const Rules& other) const {
    return clipped == other.clipped && self_gate == other.self_gate && single_clock == other.single_clock &&
           edge == other.edge && focal == other.focal && average == other.average && goods == other.goods &&
           by_player == other.by_player && factor == other.factor && unfocused == other.unfocused;
  }
};

// `rules.CARVALHO` with a game of two.
constexpr Rules kCarvalho{true, false, false, false, true, false, false, false, 0.0f, 0};

struct Params {  // the order of `compiled._params`
  float influence, beta, temptation, sucker, timescale, adoption_timescale, adoption_beta;
};

struct Kind {  // the order of `compiled._kinds`
  int32_t accepts[2][2], local, degree, exclusive;
};

struct Counts {
  int32_t opportunities, requests, rewires;
};

}  // namespace jaxrec

#endif  // JAXREC_REWIRING_RULES_H_
