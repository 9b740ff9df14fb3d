// The sums of a tile in vectors, one variant for every instruction set and type. Included inside
// the region of a file that raises the instruction set, after a policy type V with
//   Element, Packed      of the sums, and of what maps are packed in (the same but for
//   narrow_isa.h) kLanes, Vector       load, broadcast kRows                the rows of a tile: as
//   many as leave room in the registers for the rest Factors, kFactors    row values that are
//   loaded at once; fma(factors, k, b, c) takes the k-th

template <typename V>
using ElementOf = typename V::Element;

template <typename V>
using PackedOf = typename V::Packed;

template <typename V>
inline void multiply_tile(const PackedOf<V>* rows, const PackedOf<V>* columns, int64_t channels,
                          typename V::Vector (&sums)[V::kRows][2]) {
    for (int64_t r = 0; r < V::kRows; ++r) sums[r][0] = sums[r][1] = V::broadcast(0);
#pragma GCC unroll 4
    for (int64_t c = 0; c < channels; ++c) {
        const typename V::Vector left = V::load(columns + c * 2 * V::kLanes);
        const typename V::Vector right = V::load(columns + c * 2 * V::kLanes + V::kLanes);
#pragma GCC unroll 12
        for (int64_t r = 0; r < V::kRows; r += V::kFactors) {
            const typename V::Factors factors = V::load_factors(rows + c * V::kRows + r);
#pragma GCC unroll 4
            for (int64_t k = 0; k < V::kFactors; ++k) {
                sums[r + k][0] = V::fma(factors, k, left, sums[r + k][0]);
                sums[r + k][1] = V::fma(factors, k, right, sums[r + k][1]);
            }
        }
    }
}
