// The part of the work that is written per instruction set, as a table of functions. Everything
// around it (packing, blocks, threads, the head) is compiled once, for the baseline.
//
// The files isa_<name>.cpp include nothing but this and core/maximum.h: a function of the standard
// library that is compiled in a file that raises the instruction set could be the copy the linker
// keeps for all files, and crash on an older processor.
#pragma once

#include <cstdint>

namespace qaconv::cpu {

// One packed map: panels of `width` neighboring locations, [panels][channels][width]; the last
// panel repeats the map's last location (a copy changes neither a maximum nor its first position,
// whereas zeros would win over negative values).
template <typename T>
struct PackedMap {
    const T* data;
    int64_t locations;
};

// Of a policy (tile_simd.inl) whose numbers are packed as they are, channel by channel.
template <typename T>
struct PackedAsIs {
    using Element = T;
    using Packed = T;
};

// The maxima of one pair. Lengths are rounded up to whole panels; what lies beyond the locations is
// scratch. The indices may be null where the function was asked for values only.
template <typename T>
struct PairMaxima {
    T* over_columns;        // [rows]: for each row location the maximum over the columns
    T* over_rows;           // [columns]
    int32_t* column_index;  // [rows]: where
    int32_t* row_index;     // [columns]
    T* lanes;               // scratch, [rows][2 * lanes]
};

template <typename T>
struct Isa {
    int64_t row_width;     // locations in a panel of the row map (the probe)
    int64_t column_width;  // locations in a panel of the column map (the gallery)
    int64_t lanes;         // numbers in a vector

    // Wants finite sums: inputs for which every partial sum is finite.
    void (*pair)(PackedMap<T> rows, PackedMap<T> columns, int64_t channels, PairMaxima<T> out);
    void (*pair_with_index)(PackedMap<T> rows, PackedMap<T> columns, int64_t channels,
                            PairMaxima<T> out);
    // The same for any input, NaN and infinities included; slow.
    void (*pair_any)(PackedMap<T> rows, PackedMap<T> columns, int64_t channels, PairMaxima<T> out);

    // target[k] += factor * source[k], count a multiple of lanes.
    void (*add_scaled)(T* target, const T* source, T factor, int64_t count);

    // Nothing but multiply-adds in registers, as many independent ones as a tile has sums.
    // Returns how many operations that were. The factor comes from outside and the sum of the
    // results goes there, so that the compiler leaves nothing out.
    double (*fma_operations)(int64_t iterations, T factor, T* sum);
};

// The tables of one instruction set.
struct IsaTables {
    Isa<float> of_float;
    Isa<double> of_double;
};

// Which of them a machine can run: simd_level.cpp.
extern const IsaTables kScalarIsa;
extern const IsaTables kAvx2Isa;
extern const IsaTables kAvx512Isa;
extern const IsaTables kNeonIsa;

}  // namespace qaconv::cpu
