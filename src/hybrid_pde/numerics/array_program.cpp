// Runs a list of operations on arrays, several times over and for several parts of a batch at once,
// without Python in between.
//
// Arrays have up to DIMS dimensions and any strides, in elements; 0 repeats a value. The Fourier
// transforms are those of Intel's MKL, which PyTorch has, with plans that are made before. So are the
// threads: those of PyTorch wait for work in a loop, and threads of our own would wait for their cores.

#include <atomic>
#include <cstdint>
#include <cstring>
#ifdef __SSE__
#include <xmmintrin.h>
#endif

namespace {

using Index = std::int64_t;
using Transform = long (*)(void* plan, void* from, ...);
// OpenMP's call of a function on several threads, as GCC's libgomp has it.
using Parallel = void (*)(void (*function)(void*), void* argument, unsigned threads, unsigned flags);

constexpr int DIMS = 6;
constexpr int OPERANDS = 4;  // the result and up to three arguments

// A loop has the number of the instructions in it in place of a plan, and the sizes of its
// dimensions; from block to block the arrays of these instructions move by `jump` bytes.
struct Instruction {
  Index code;
  void* plan;
  Index size[DIMS];
  char* at[OPERANDS];
  Index stride[OPERANDS][DIMS];
  Index jump[OPERANDS][DIMS];
};

template <class T>
struct Complex {
  T re, im;
};

template <class T>
inline Complex<T> operator+(Complex<T> a, Complex<T> b) {
  return {a.re + b.re, a.im + b.im};
}
template <class T>
inline Complex<T> operator-(Complex<T> a, Complex<T> b) {
  return {a.re - b.re, a.im - b.im};
}
template <class T>
inline Complex<T> operator-(Complex<T> a) {
  return {-a.re, -a.im};
}
template <class T>
inline Complex<T> operator*(Complex<T> a, Complex<T> b) {
  return {a.re * b.re - a.im * b.im, a.re * b.im + a.im * b.re};
}
template <class T>
inline Complex<T> operator*(Complex<T> a, T b) {
  return {a.re * b, a.im * b};
}
template <class T>
inline Complex<T> operator/(Complex<T> a, T b) {
  return {a.re / b, a.im / b};
}

// The operation of N arguments along the last dimension, in which some may be the same for all.
template <int N, class R, class A, class B, class C, class F>
inline void along_row(Index n, R* __restrict r, const A* __restrict a, const B* __restrict b,
                      const C* __restrict c, const Index (&step)[OPERANDS], F f) {
  const auto [dr, da, db, dc] = step;
  const bool whole_b = N < 2 || db == 1, whole_c = N < 3 || dc == 1;
  const bool same_b = N < 2 || db == 0, same_c = N < 3 || dc == 0;
  if (dr == 1 && da == 1 && whole_b && whole_c) {
    for (Index k = 0; k < n; ++k) r[k] = f(a[k], N < 2 ? *b : b[k], N < 3 ? *c : c[k]);
  } else if (dr == 1 && da == 1 && same_b && same_c) {
    const B one = *b;
    const C other = *c;
    for (Index k = 0; k < n; ++k) r[k] = f(a[k], one, other);
  } else if (N == 3 && dr == 1 && da == 1 && db == 1 && dc == 0) {
    const C other = *c;
    for (Index k = 0; k < n; ++k) r[k] = f(a[k], b[k], other);
  } else if (N == 3 && dr == 1 && da == 1 && db == 0 && dc == 1) {
    const B one = *b;
    for (Index k = 0; k < n; ++k) r[k] = f(a[k], one, c[k]);
  } else if (N == 2 && dr == 1 && da == 0 && db == 1) {
    const A one = *a;
    for (Index k = 0; k < n; ++k) r[k] = f(one, b[k], *c);
  } else {
    for (Index k = 0; k < n; ++k) {
      r[k * dr] = f(a[k * da], N < 2 ? *b : b[k * db], N < 3 ? *c : c[k * dc]);
    }
  }
}

using Places = char* const (&)[OPERANDS];

template <int N, class R, class A, class B, class C, class F>
void apply(const Instruction& i, Places at, F f) {
  Index step[OPERANDS], offset[OPERANDS] = {0}, position[DIMS] = {0};
  for (int j = 0; j < OPERANDS; ++j) step[j] = i.stride[j][DIMS - 1];
  for (;;) {
    along_row<N>(i.size[DIMS - 1], reinterpret_cast<R*>(at[0]) + offset[0],
                 reinterpret_cast<const A*>(at[1]) + offset[1],
                 reinterpret_cast<const B*>(at[N < 2 ? 1 : 2]) + (N < 2 ? 0 : offset[2]),
                 reinterpret_cast<const C*>(at[N < 3 ? 1 : 3]) + (N < 3 ? 0 : offset[3]), step, f);
    int d = DIMS - 2;
    for (; d >= 0; --d) {
      if (i.size[d] == 1) continue;
      for (int j = 0; j <= N; ++j) offset[j] += i.stride[j][d];
      if (++position[d] < i.size[d]) break;
      for (int j = 0; j <= N; ++j) offset[j] -= i.stride[j][d] * i.size[d];
      position[d] = 0;
    }
    if (d < 0) return;
  }
}

// Combines the values of each line to one, in type S; they are next to each other.
template <class S, class T, class F>
void reduce(const Instruction& i, Places at, F f) {
  constexpr Index LANES = 16;  // independent partial results
  const Index n = i.size[DIMS - 1];
  Index offset[2] = {0}, position[DIMS] = {0};
  for (;;) {
    const T* a = reinterpret_cast<const T*>(at[1]) + offset[1];
    S lane[LANES];
    const Index lanes = n < LANES ? n : LANES;
    for (Index k = 0; k < lanes; ++k) lane[k] = a[k];
    Index k = lanes;
    for (; k + LANES <= n; k += LANES) {
      for (Index j = 0; j < LANES; ++j) lane[j] = f(lane[j], S(a[k + j]));
    }
    for (; k < n; ++k) lane[0] = f(lane[0], S(a[k]));
    for (Index j = 1; j < lanes; ++j) lane[0] = f(lane[0], lane[j]);
    reinterpret_cast<T*>(at[0])[offset[0]] = T(lane[0]);
    int d = DIMS - 2;
    for (; d >= 0; --d) {
      for (int j = 0; j < 2; ++j) offset[j] += i.stride[j][d];
      if (++position[d] < i.size[d]) break;
      for (int j = 0; j < 2; ++j) offset[j] -= i.stride[j][d] * i.size[d];
      position[d] = 0;
    }
    if (d < 0) return;
  }
}

// NaN if one of them is, as in PyTorch.
template <class T>
inline T larger(T a, T b) {
  return (a > b) | (a != a) ? a : b;
}

// The numbers of operations are those of operation_list.py.
template <class T>
void execute(const Instruction& i, Index code, Places at) {
  using Z = Complex<T>;
  switch (code) {
    case 0: return apply<1, T, T, T, T>(i, at, [](T a, T, T) { return a; });
    case 1: return apply<1, Z, Z, Z, Z>(i, at, [](Z a, Z, Z) { return a; });
    case 2: return apply<1, Z, T, T, T>(i, at, [](T a, T, T) { return Z{a, 0}; });
    case 3: return apply<1, T, T, T, T>(i, at, [](T a, T, T) { return -a; });
    case 4: return apply<1, Z, Z, Z, Z>(i, at, [](Z a, Z, Z) { return -a; });
    case 5: return apply<2, T, T, T, T>(i, at, [](T a, T b, T) { return a + b; });
    case 6: return apply<2, Z, Z, Z, Z>(i, at, [](Z a, Z b, Z) { return a + b; });
    case 7: return apply<2, T, T, T, T>(i, at, [](T a, T b, T) { return a - b; });
    case 8: return apply<2, Z, Z, Z, Z>(i, at, [](Z a, Z b, Z) { return a - b; });
    case 9: return apply<2, T, T, T, T>(i, at, [](T a, T b, T) { return a * b; });
    case 10: return apply<2, Z, Z, Z, Z>(i, at, [](Z a, Z b, Z) { return a * b; });
    case 11: return apply<2, Z, Z, T, T>(i, at, [](Z a, T b, T) { return a * b; });
    case 12: return apply<2, T, T, T, T>(i, at, [](T a, T b, T) { return a / b; });
    case 13: return apply<2, Z, Z, T, T>(i, at, [](Z a, T b, T) { return a / b; });
    case 14: return apply<3, T, T, T, T>(i, at, [](T a, T b, T c) { return a + b * c; });
    case 15: return apply<3, Z, Z, Z, Z>(i, at, [](Z a, Z b, Z c) { return a + b * c; });
    case 16: return apply<3, Z, Z, Z, T>(i, at, [](Z a, Z b, T c) { return a + b * c; });
    case 17: return apply<1, T, T, T, T>(i, at, [](T a, T, T) { return a < 0 ? -a : a; });
    case 18: return apply<2, T, T, T, T>(i, at, [](T a, T b, T) { return larger(a, b); });
    case 19: return reduce<T, T>(i, at, [](T a, T b) { return larger(a, b); });
    case 20: return reduce<double, T>(i, at, [](double a, double b) { return a + b; });
    case 21: return apply<1, double, T, T, T>(i, at, [](T a, T, T) { return double(a); });
    case 22: return apply<3, T, T, T, T>(i, at, [](T a, T b, T c) { return a - b * c; });
  }
}

constexpr Index FORWARD = 100, BACKWARD = 101, LOOP = 200, DOUBLE = 32;

void execute_at(const Instruction& i, Places at) {
  if (i.code >= DOUBLE) {
    execute<double>(i, i.code - DOUBLE, at);
  } else {
    execute<float>(i, i.code, at);
  }
}

// All instructions of a loop for one block, then for the next one.
void run_blocks(const Instruction& loop) {
  const Instruction* begin = &loop + 1;
  const Instruction* end = begin + reinterpret_cast<Index>(loop.plan);
  Index position[DIMS] = {0};
  for (;;) {
    for (const Instruction* i = begin; i != end; ++i) {
      char* at[OPERANDS];
      for (int j = 0; j < OPERANDS; ++j) {
        at[j] = i->at[j];
        for (int d = 0; d < DIMS; ++d) at[j] += i->jump[j][d] * position[d];
      }
      execute_at(*i, at);
    }
    int d = DIMS - 1;
    for (; d >= 0; --d) {
      if (++position[d] < loop.size[d]) break;
      position[d] = 0;
    }
    if (d < 0) return;
  }
}

struct Operations {
  const Instruction* list;
  Index count;
  Transform forward, backward;

  long run() const {
    for (const Instruction* i = list; i != list + count; ++i) {
      long error = 0;
      if (i->code == FORWARD) {
        error = forward(i->plan, i->at[1], i->at[0]);
      } else if (i->code == BACKWARD) {
        error = backward(i->plan, i->at[1], i->at[0]);
      } else if (i->code == LOOP) {
        run_blocks(*i);
        i += reinterpret_cast<Index>(i->plan);
      } else {
        execute_at(*i, i->at);
      }
      if (error) return error;
    }
    return 0;
  }
};

// Treats numbers as zero whose exponent is the smallest (below 1e-38 in single precision) while it
// lives: decayed modes come to them, and arithmetic with them takes a hundred times as long.
class WithoutSubnormals {
#ifdef __SSE__
 public:
  WithoutSubnormals() : before_(_mm_getcsr()) { _mm_setcsr(before_ | 0x8040); }
  ~WithoutSubnormals() { _mm_setcsr(before_); }

 private:
  unsigned before_;
#endif
};

// One of several copies of a list, with arrays of its own.
struct Copy {
  const Instruction* step;
  const Instruction* renewal;
  const Instruction* observed;
  char* const* arrays;
};

// Values that a copy takes from the batch, or gives to it: from a place in one of its arrays, and
// how the place in the batch moves from simulation to simulation, part to part, frame to frame.
struct Transfer {
  Index array, offset, bytes;
  char* batch;
  Index by_simulation, by_part, by_frame;

  char* own(const Copy& copy) const { return copy.arrays[array] + offset; }
  char* place(Index simulation, Index part, Index frame) const {
    return batch + by_simulation * simulation + by_part * part + by_frame * frame;
  }
};

struct Counts {
  Index step, renewal, observed;           // lengths of the lists
  Index period, first, steps, frames;      // see run_array_program
  Index copies, parts, inputs, results;    // lengths of the tables
};

struct Tables {
  const Copy* copies;
  const Index* starts;
  const Transfer* inputs;
  const Transfer* results;
  Transform forward, backward;
  Parallel parallel;
};

long run_part(const Copy& copy, Index part, const Counts& n, const Tables& t) {
  const Operations step{copy.step, n.step, t.forward, t.backward};
  const Operations renew{copy.renewal, n.renewal, t.forward, t.backward};
  const Operations observe{copy.observed, n.observed, t.forward, t.backward};
  const Index start = t.starts[part];
  for (const Transfer* i = t.inputs; i != t.inputs + n.inputs; ++i) {
    std::memcpy(i->own(copy), i->place(start, part, 0), i->bytes);
  }
  for (Index f = 0; f < n.frames; ++f) {
    for (Index s = n.first + f * n.steps; s < n.first + (f + 1) * n.steps; ++s) {
      if (s % n.period == n.period - 1) {
        if (long error = renew.run()) return error;
      }
      if (long error = step.run()) return error;
    }
    if (long error = observe.run()) return error;
    for (const Transfer* r = t.results; r != t.results + n.results; ++r) {
      std::memcpy(r->place(start, part, f), r->own(copy), r->bytes);
    }
  }
  return 0;
}

// The parts of a batch, of which each thread takes the next one.
struct Work {
  const Counts& counts;
  const Tables& tables;
  std::atomic<Index> copy{0}, part{0};
  std::atomic<long> error{0};

  void take() {
    const WithoutSubnormals fast;
    const Copy& own = tables.copies[copy++];
    for (Index p = part++; p < counts.parts && !error; p = part++) {
      if (long found = run_part(own, p, counts, tables)) error = found;
    }
  }
};

}  // namespace

// Runs a list on each part of a batch, on as many threads as there are copies of the list. Returns
// 0, or the error of a transform.
//
// A frame is `steps` runs of the list; after it, the list of what is observed is run once, and the
// results are copied to their places in the batch.
// Steps are counted from `first`; before every one whose number is period - 1 beyond a multiple of
// period, the list of the renewal is run.
extern "C" long run_array_program(const Counts* counts, const Tables* tables) {
  Work work{*counts, *tables};
  if (counts->copies == 1) {
    work.take();
  } else {
    const auto take = [](void* work) { static_cast<Work*>(work)->take(); };
    tables->parallel(take, &work, static_cast<unsigned>(counts->copies), 0);
  }
  return work.error;
}
