// How thread blocks are dealt to pairs.
#pragma once

#include <algorithm>
#include <cstdint>

namespace qaconv::cuda {

// Blocks to launch for so many pairs; each block takes every gridDim.x-th pair, so that any number
// of pairs fits a grid.
inline unsigned blocks_for(int64_t pairs) {
    return static_cast<unsigned>(std::min<int64_t>(pairs, int64_t(1) << 20));
}

}  // namespace qaconv::cuda
