#include "cuda/rows.h"

#include <algorithm>

#include "cuda/status.h"

namespace qaconv::cuda {
namespace {

constexpr int kTile = 32;      // locations and channels of a tile
constexpr int kTileWarps = 8;  // a warp moves a line of the tile at a time

// Bits of an element, whatever they mean. A tile is turned in shared memory, so that both the read
// and the write run along lines, whichever of locations and channels lie side by side in the maps.
template <typename Bits>
__global__ void rows_kernel(Maps maps, int64_t pitch, Bits* out, int64_t tiles) {
    __shared__ Bits tile[kTile][kTile + 1];
    const Bits* source = static_cast<const Bits*>(maps.data);
    const int64_t across = (pitch + kTile - 1) / kTile;
    const int64_t down = (maps.locations + kTile - 1) / kTile;
    const bool read_along_locations = maps.location_stride <= maps.channel_stride;
    const int lane = threadIdx.x;
    for (int64_t block = blockIdx.x; block < tiles; block += gridDim.x) {
        const int64_t n = block / across / down;
        const int64_t s0 = block / across % down * kTile, c0 = block % across * kTile;
        for (int line = threadIdx.y; line < kTile; line += kTileWarps) {
            const int s = read_along_locations ? lane : line;
            const int c = read_along_locations ? line : lane;
            const bool inside = s0 + s < maps.locations && c0 + c < maps.channels;
            tile[s][c] = inside ? source[n * maps.map_stride + (c0 + c) * maps.channel_stride +
                                         (s0 + s) * maps.location_stride]
                                : Bits(0);
        }
        __syncthreads();
        for (int s = threadIdx.y; s < kTile; s += kTileWarps) {
            if (s0 + s < maps.locations && c0 + lane < pitch) {
                out[(n * maps.locations + s0 + s) * pitch + c0 + lane] = tile[s][lane];
            }
        }
        __syncthreads();
    }
}

template <typename Bits>
Status copy(const Maps& maps, void* out, cudaStream_t stream) {
    const int64_t pitch = row_bytes(maps) / static_cast<int64_t>(sizeof(Bits));
    const int64_t tiles =
        maps.count * ((maps.locations + kTile - 1) / kTile) * ((pitch + kTile - 1) / kTile);
    const auto blocks = static_cast<unsigned>(std::min<int64_t>(tiles, 1 << 16));
    return launch(rows_kernel<Bits>, blocks, dim3(kTile, kTileWarps), 0, stream, maps, pitch,
                  static_cast<Bits*>(out), tiles);
}

}  // namespace

Status copy_rows(const Maps& maps, void* out, cudaStream_t stream) {
    if (rows_bytes(maps) == 0) return Status::kOk;
    switch (element_bytes(maps.dtype)) {
        case 2:
            return copy<uint16_t>(maps, out, stream);
        case 4:
            return copy<uint32_t>(maps, out, stream);
        default:
            return copy<uint64_t>(maps, out, stream);
    }
}

}  // namespace qaconv::cuda
