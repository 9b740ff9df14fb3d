// What every tensor-core text must fulfil, at the sizes where tiles, warps, stages and rings end;
// and that the pairs beside a pair do not change it.
#pragma once

#include <cmath>
#include <string>
#include <vector>

#include "cpu_device.h"
#include "cuda_device.cuh"
#include "laws.h"
#include "special_laws.h"

namespace qaconv::test {

// Rows of a warp: 48; of a thread block: 192; columns of a stage: 48 (resident), 64 or 32
// (streamed). Channels: up to 64 and 128 stay resident, more stream, 32 at a time.
constexpr Shape kTensorShapes[] = {
    {2, 3, 128, 192, 192},  // the usual network
    {1, 2, 65, 96, 49},     // two warps; channels one more than the shorter resident step
    {2, 1, 33, 100, 70},    // three warps, the last with rows beyond the map
    {1, 2, 129, 50, 97},    // streamed, by one channel
    {2, 1, 300, 193, 33},   // two blocks of rows
    {1, 1, 17, 47, 300},    // the other way round
    {1, 1, 8, 500, 260},    // three blocks of rows, positions of two bytes
    {3, 3, 64, 48, 48},     // every edge at once
};

template <typename T>
void check_against_cpu(const Shape& shape, DType dtype) {
    const CudaDevice cuda;
    const CpuDevice cpu = scalar_cpu();
    const TestMaps probe = probe_of(shape, dtype, Layout::kContiguous, WholeNumbers{61});
    const TestMaps gallery = gallery_of(shape, dtype, Layout::kChannelsLast, WholeNumbers{62});
    check_maxima_bits(correlation_max<T>(cuda, probe, gallery),
                      correlation_max<T>(cpu, probe, gallery), "cuda and cpu");
    const Head<T> head{whole_numbers<T>(shape.probe_places, 63),
                       whole_numbers<T>(shape.gallery_places, 64), 2};
    check_exact(match_scores(cuda, probe, gallery, head), match_scores(cpu, probe, gallery, head),
                "cuda and cpu, scores");
}

inline void run_shape(const std::string& title, const Shape& shape,
                      const std::vector<DType>& dtypes) {
    for (DType dtype : dtypes) {
        run_case(title + ": " + name_of(shape) + ", " + name_of(dtype), [&] {
            check_against_cpu<float>(shape, dtype);
            check_forward<float>(CudaDevice(), shape, dtype, Layout::kContiguous);
            check_bits<float>(CudaDevice(), shape, dtype, Layout::kContiguous);
        });
    }
}

// A task takes several gallery maps, fewer at the end; a triangle cuts some short. The longest run
// is longer than all.
inline void run_runs(const std::vector<DType>& dtypes) {
    for (int run : {1, 3, 64}) {
        cuda::set_run(run);
        const std::string name = "runs of " + text(run) + " maps";
        for (const Shape& shape : {Shape{20, 17, 2, 5, 7}, Shape{3, 5, 70, 100, 150}}) {
            for (DType dtype : dtypes) {
                run_case(name + ": " + name_of(shape) + ", " + name_of(dtype), [&] {
                    check_against_cpu<float>(shape, dtype);
                    check_bits<float>(CudaDevice(), shape, dtype, Layout::kContiguous);
                });
            }
        }
        run_case(name + ": a self match", [&] {
            const Shape shape{20, 0, 2, 5, 7};
            const TestMaps maps =
                probe_of(shape, DType::kFloat16, Layout::kContiguous, WholeNumbers{65});
            const std::vector<float> weight = whole_numbers<float>(shape.probe_places, 66);
            check_exact(pairwise_distance(CudaDevice(), maps, weight, 1.0f),
                        pairwise_distance(scalar_cpu(), maps, weight, 1.0f), "distances");
        });
    }
    cuda::set_run(0);
}

// More tasks than a device holds at once.
inline void run_many_pairs(const std::vector<DType>& dtypes, const Shape& shape) {
    for (DType dtype : dtypes) {
        run_case(std::string("many pairs, ") + name_of(dtype),
                 [&] { check_against_cpu<float>(shape, dtype); });
    }
}

// A pair of ordinary maps has the same bits whatever maps are beside it.
inline void run_wild_maps_beside_ordinary_ones(const std::vector<DType>& dtypes) {
    for (DType dtype : dtypes) {
        run_case(std::string("a wild map beside ordinary ones, ") + name_of(dtype), [&] {
            const Shape shape{3, 2, 20, 17, 19};
            const auto with_nan = [](int64_t n, int64_t c, int64_t s) {
                return n == 1 && c == 19 && s == 16 ? kNaN : Fractions{67}(n, c, s);
            };
            const TestMaps gallery = gallery_of(shape, dtype, Layout::kContiguous, Fractions{68});
            const TestMaps wild = probe_of(shape, dtype, Layout::kContiguous, with_nan);
            const TestMaps tame = probe_of(shape, dtype, Layout::kContiguous, Fractions{67});
            const CudaDevice device;
            const Maxima<float> some = correlation_max<float>(device, wild, gallery);
            const Maxima<float> all = correlation_max<float>(device, tame, gallery);
            const int64_t size = shape.galleries * shape.probe_places;
            for (int64_t k = 0; k < 3 * size; ++k) {
                const int64_t s = k % shape.probe_places;
                if (k / size != 1) {
                    check(same_bits(some.over_gallery[k], all.over_gallery[k]), "ordinary pair");
                } else if (s == 16) {
                    check(std::isnan(some.over_gallery[k]), "NaN at its place");
                    check(some.gallery_index[k] == 0, "the first of the NaN");
                } else {
                    check(std::abs(some.over_gallery[k] - all.over_gallery[k]) < 1e-5,
                          "another place of the wild map");
                }
            }
        });
    }
}

}  // namespace qaconv::test
