// What a Hopper GPU can do at most: products of warpgroups without any maximum, and maxima without
// any product. The ceilings of csrc/cuda/hopper.cu and hopper_wide.cu.
//   nvcc -gencode arch=compute_90a,code=sm_90a -O3 -std=c++17 -I csrc tools/gpu_kit/rates.cu
#include <cstdio>
#include <cstdlib>

#include "cuda/device/hopper.cuh"

using namespace qaconv::cuda;

namespace {

constexpr int kBlocks = 3, kSteps = 8, kTileBytes = 16384, kRounds = 3000;

void check(cudaError_t error, const char* what) {
    if (error == cudaSuccess) return;
    std::printf("%s: %s\n", what, cudaGetErrorString(error));
    std::exit(1);
}

// Three blocks of 64 rows times a tile of 64 locations over 128 channels, again and again.
template <bool kShared>
__global__ void __launch_bounds__(384, 1) products_kernel(float* out) {
#if QACONV_HOPPER
    extern __shared__ __align__(128) unsigned char memory[];
    for (int i = threadIdx.x; i < 4 * kTileBytes / 4; i += blockDim.x) {
        reinterpret_cast<uint32_t*>(memory)[i] = 0x2c2e2c2fu + (i * 2654435761u & 0x83ff83ffu);
    }
    uint32_t a[kSteps][4];
    for (int k = 0; k < kSteps; ++k) {
        for (int i = 0; i < 4; ++i) {
            const uint32_t mixed = (threadIdx.x * 97 + k * 13 + i) * 2654435761u;
            a[k][i] = 0x2c2e2c2fu + (mixed & 0x83ff83ffu);
        }
    }
    show_memory_to_products();
    __syncthreads();
    const uint64_t columns = described(shared_address(memory), 1024, 128);
    const uint64_t rows =
        described(shared_address(memory) + (1 + threadIdx.x / 128) * kTileBytes, 1024, 128);
    WarpgroupSums sums[kBlocks];
#pragma unroll 1
    for (int round = 0; round < kRounds; ++round) {
        begin_products();
#pragma unroll
        for (int m = 0; m < kBlocks; ++m) {
#pragma unroll
            for (int k = 0; k < kSteps; ++k) {
                if constexpr (kShared) {
                    start_product<Half>(sums[m], rows + k * 128, columns + k * 128, k > 0);
                } else {
                    start_product<Half>(sums[m], a[k], columns + k * 128, k > 0);
                }
            }
        }
        end_products();
#pragma unroll
        for (int m = 0; m < kBlocks; ++m) wait_for_products<0>(sums[m]);
    }
    float total = 0;
    for (int m = 0; m < kBlocks; ++m) {
        for (int i = 0; i < 32; ++i) total += sums[m][i / 4][i % 4];
    }
    out[blockIdx.x * blockDim.x + threadIdx.x] = total;
#endif
}

template <bool kShared>
void products(int groups, int processors, float* out, const char* where) {
    const auto kernel = products_kernel<kShared>;
    check(cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, 4 * kTileBytes),
          "shared memory");
    cudaEvent_t begin, end;
    check(cudaEventCreate(&begin), "event");
    check(cudaEventCreate(&end), "event");
    float best = 1e9f;
    for (int run = 0; run < 4; ++run) {
        check(cudaEventRecord(begin), "record");
        kernel<<<processors, groups * 128, 4 * kTileBytes>>>(out);
        check(cudaEventRecord(end), "record");
        check(cudaEventSynchronize(end), "products");
        float milliseconds = 0;
        check(cudaEventElapsedTime(&milliseconds, begin, end), "time");
        best = run == 0 || milliseconds > best ? best : milliseconds;
    }
    const double flop = 2.0 * 64 * 64 * 128 * kBlocks * kRounds * groups * processors;
    std::printf("m64n64k16 float16, rows in %s, %d warpgroups: %.0f TFLOP/s\n", where, groups,
                flop / best / 1e9);
}

// Eight chains of dependent maxima a thread.
template <int kKind>
__global__ void maxima_kernel(int* out, long long* clocks, int seed) {
    int x[8];
    for (int i = 0; i < 8; ++i) x[i] = seed * (i + 1) + static_cast<int>(threadIdx.x);
    __syncthreads();
    const long long begin = clock64();
#pragma unroll 1
    for (int n = 0; n < 256; ++n) {
#pragma unroll
        for (int k = 0; k < 64; ++k) {
            int& value = x[k % 8];
            const int other = x[(k + 3) % 8], third = x[(k + 5) % 8];
            if (kKind == 0) asm volatile("max.f32 %0, %0, %1;" : "+r"(value) : "r"(other));
            if (kKind == 1) asm volatile("max.s32 %0, %0, %1;" : "+r"(value) : "r"(other));
            if (kKind == 2) value = max(max(value, other), third);
        }
    }
    const long long end = clock64();
    int total = 0;
    for (int i = 0; i < 8; ++i) total ^= x[i];
    out[blockIdx.x * blockDim.x + threadIdx.x] = total;
    if (threadIdx.x == 0 && blockIdx.x == 0) *clocks = end - begin;
}

template <int kKind>
void maxima(const char* name) {
    int* out = nullptr;
    long long *clocks = nullptr, taken = 0;
    check(cudaMalloc(&out, 1024 * sizeof(int)), "memory");
    check(cudaMalloc(&clocks, sizeof(long long)), "memory");
    for (int run = 0; run < 2; ++run) maxima_kernel<kKind><<<1, 1024>>>(out, clocks, 12345);
    check(cudaMemcpy(&taken, clocks, sizeof taken, cudaMemcpyDeviceToHost), "maxima");
    std::printf("maxima, %s: %.0f lanes a clock and multiprocessor\n", name,
                1024.0 * 256 * 64 / static_cast<double>(taken));
    cudaFree(out);
    cudaFree(clocks);
}

}  // namespace

int main() {
    int processors = 0;
    check(cudaDeviceGetAttribute(&processors, cudaDevAttrMultiProcessorCount, 0), "device");
    float* out = nullptr;
    check(cudaMalloc(&out, static_cast<size_t>(processors) * 384 * sizeof(float)), "memory");
    maxima<0>("two floats");
    maxima<1>("two integers");
    maxima<2>("three integers");
    for (int groups = 1; groups <= 3; ++groups)
        products<true>(groups, processors, out, "shared memory");
    for (int groups = 1; groups <= 3; ++groups)
        products<false>(groups, processors, out, "registers");
    return 0;
}
