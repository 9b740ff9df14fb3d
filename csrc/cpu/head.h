// The head on the maxima of one pair: all ops that give scores go through here, so that a distance
// is minus a score bit for bit.
#pragma once

#include "cpu/isa.h"

namespace qaconv::cpu {

// Four running sums: fast, and the same order whichever side of a pair it is called for.
template <typename T>
T weighted_sum(const T* weight, const T* maxima, int64_t count) {
    T sums[4] = {};
    int64_t k = 0;
    for (; k + 4 <= count; k += 4) {
        for (int64_t lane = 0; lane < 4; ++lane) {
            sums[lane] += weight[k + lane] * maxima[k + lane];
        }
    }
    for (; k < count; ++k) sums[k % 4] += weight[k] * maxima[k];
    return (sums[0] + sums[1]) + (sums[2] + sums[3]);
}

template <typename T>
struct Head {
    const T* row_weight;
    const T* column_weight;
    T bias;

    T score(const PairMaxima<T>& maxima, int64_t rows, int64_t columns) const {
        return (weighted_sum(row_weight, maxima.over_columns, rows) +
                weighted_sum(column_weight, maxima.over_rows, columns)) +
               bias;
    }
};

}  // namespace qaconv::cpu
