// The part of the work that is written per instruction set, as a table of functions. Everything
// around it (packing, blocks, threads, the head) is compiled once, for the baseline.
#pragma once

#include <cstdint>

#include "cpu/simd_level.h"

namespace qaconv::cpu {

// One packed map: panels of `width` neighbouring places, [panels][channels][width]; the last
// panel repeats the map's last place (a copy changes neither a maximum nor its first position,
// whereas zeros would win over negative values).
template <typename T>
struct PackedMap {
    const T* data;
    int64_t places;
};

// The maxima of one pair. Lengths are rounded up to whole panels; what lies beyond the places is
// scratch. The indices may be null where the function was asked for values only.
template <typename T>
struct PairMaxima {
    T* over_columns;        // [rows]: for each row place the maximum over the columns
    T* over_rows;           // [columns]
    int32_t* column_index;  // [rows]: where
    int32_t* row_index;     // [columns]
    T* lanes;               // scratch, [rows][2 * lanes]
};

template <typename T>
struct Isa {
    int64_t row_width;     // places in a panel of the row map (the probe)
    int64_t column_width;  // places in a panel of the column map (the gallery)
    int64_t lanes;         // numbers in a vector

    // Wants finite sums: inputs for which every partial sum is finite.
    void (*pair)(PackedMap<T> rows, PackedMap<T> columns, int64_t channels, PairMaxima<T> out);
    void (*pair_with_index)(PackedMap<T> rows, PackedMap<T> columns, int64_t channels,
                            PairMaxima<T> out);
    // The same for any input, NaN and infinities included; slow.
    void (*pair_any)(PackedMap<T> rows, PackedMap<T> columns, int64_t channels, PairMaxima<T> out);

    // target[k] += factor * source[k], count a multiple of lanes.
    void (*add_scaled)(T* target, const T* source, T factor, int64_t count);
};

template <typename T>
const Isa<T>& scalar_isa();
template <typename T>
const Isa<T>& avx2_isa();

// The table of the level in use.
template <typename T>
inline const Isa<T>& current_isa() {
#if defined(__x86_64__)
    if (simd_level() == SimdLevel::kAvx2) return avx2_isa<T>();
#endif
    return scalar_isa<T>();
}

}  // namespace qaconv::cpu
