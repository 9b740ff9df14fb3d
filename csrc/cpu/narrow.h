// The choice of the variant that finds winners by narrow products, and the maps it reads.
#pragma once

#include "core/narrow.h"
#include "cpu/narrow_isa.h"

namespace qaconv::cpu {

// The variant for a precision at the level of instruction sets in use (simd_level.h): "avx512_bf16"
// or "avx512_vnni" where the level is avx512 and the processor has it, else "scalar", which is
// slow.
const char* narrow_variant(Precision precision);
const NarrowIsa& narrow_isa(Precision precision);

enum class Side { kRows, kColumns };

// Packs finite maps of floats [channels / kSlice][locations][kSlice] in panels of words.
class WordPacking {
  public:
    WordPacking(Precision precision, Side side, int64_t slices, int64_t width, int32_t steps)
        : precision_(precision), side_(side), slices_(slices), width_(width), steps_(steps) {}

    int64_t words() const {
        return slices_ * kSlice / (precision_ == Precision::kBFloat16 ? 2 : 4);
    }
    int64_t map_size(int64_t locations) const;  // in words, with the starts
    // `largest`: the largest magnitude of the map.
    void pack(const float* map, int64_t locations, float largest, uint32_t* out) const;
    // Of a map that was packed as rows; null for bfloat16.
    const int32_t* starts(const uint32_t* packed, int64_t locations) const;

  private:
    template <typename Word>
    void pack_with(Word word, const float* map, int64_t locations, uint32_t* out) const;

    bool has_starts() const { return precision_ == Precision::kInt8 && side_ == Side::kRows; }

    Precision precision_;
    Side side_;
    int64_t slices_, width_;
    int32_t steps_;
};

}  // namespace qaconv::cpu
