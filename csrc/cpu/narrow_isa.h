// What an instruction set brings to match_scores_narrow (core/narrow.h). Rules of inclusion: isa.h.
#pragma once

#include "cpu/isa.h"

namespace qaconv::cpu {

// Maps are packed in words of 32 bits: two bfloat16 numbers, the lower channel in the upper half,
// or four bytes, the lowest channel in the lowest. Panels are those of PackedMap with words for
// channels. Bytes of the column map are unsigned, by the steps of the scale more than they mean;
// `starts` [rows] takes that away again where rows are compared (columns need it not: it is the
// same for all of them).

// A sum and a position in one key, which the largest wins: the lowest `bits` bits hold 2^bits - 1
// minus the position, or 0 where that is less; the rest are the sum's, of a float the leading ones,
// of an integer all.
struct Keys {
    int64_t bits;
    int32_t top() const { return (int32_t{1} << bits) - 1; }
    int32_t code(int64_t position) const {
        return position < top() ? top() - static_cast<int32_t>(position) : 0;
    }
};

// Memory that is wanted next: brought nearer meanwhile.
struct Ahead {
    const float* rows;
    const float* columns;
    int64_t row_count, column_count;  // of numbers
};

// The winners of one pair; lengths rounded up to whole panels.
struct Winners {
    int32_t* columns;  // [rows]: for each row location the column that is best
    int32_t* rows;     // [columns]
    int32_t* codes;    // scratch, [rows]: what a row adds to the key of its sums
    int32_t* lanes;    // scratch, [rows][lanes]
};

// One side of a pair's winning products.
struct Winning {
    const float* map;  // [slices][locations][kSlice], channels past the last zero
    int64_t locations;
    const float* weight;   // [locations]
    const int32_t* index;  // [locations]: of the other map
};

// Channels of a slice: so few that the slices of both maps stay in the first-level cache while
// winners point here and there in them.
constexpr int64_t kSlice = 32;
// Sums that run side by side: channel c of a slice to sum c % kSumChannels, location k to k %
// kSumLocations.
constexpr int64_t kSumChannels = 16;
constexpr int64_t kSumLocations = 4;

struct NarrowIsa {
    int64_t row_width;  // as in Isa
    int64_t column_width;
    int64_t lanes;

    // `starts` is null for bfloat16.
    void (*winners)(PackedMap<uint32_t> rows, const int32_t* starts, PackedMap<uint32_t> columns,
                    int64_t words, Keys keys, Ahead ahead, Winners out);
    // Of both sides together the sum of weight[k] * <map location k, other map location index[k]>;
    // the order of the sum: core/narrow.h.
    float (*weighted)(const Winning& rows, const Winning& columns, int64_t slices);
};

extern const NarrowIsa kScalarBFloat16;
extern const NarrowIsa kScalarInt8;
extern const NarrowIsa kAvx512BFloat16;
extern const NarrowIsa kAvx512Int8;

}  // namespace qaconv::cpu
