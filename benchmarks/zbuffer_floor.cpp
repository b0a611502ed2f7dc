// The floor for bm_rasterize.py: the plainest fast z-buffer, one thread, one pass over triangles.
// Input in clip space as in rasterizer.rasterize; outputs triangle id, barycentrics and depth.
// Triangles that touch w <= 0 are left out: the benchmark's meshes have none.
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

namespace {
struct Point { float x, y, inverse_w, order; };

int clamp_up(float value) { return value <= 0.0f ? 0 : static_cast<int>(std::ceil(value)); }

int clamp_down(float value, int last) {
  return value >= static_cast<float>(last) ? last : static_cast<int>(std::floor(value));
}
}  // namespace

extern "C" void draw(const float* clip, int64_t num_vertices, const int32_t* triangles,
                     int64_t num_triangles, int32_t height, int32_t width, int32_t* ids,
                     float* weights, float* depth) {
  static thread_local std::vector<Point> points;
  static thread_local std::vector<float> nearest;
  points.resize(num_vertices);
  nearest.assign(static_cast<size_t>(height) * width, std::numeric_limits<float>::infinity());
  for (int64_t i = 0; i < static_cast<int64_t>(height) * width; ++i) {
    ids[i] = -1;
    depth[i] = weights[3 * i] = weights[3 * i + 1] = weights[3 * i + 2] = 0.0f;
  }
  for (int64_t i = 0; i < num_vertices; ++i) {
    const float* v = clip + 4 * i;
    const float inverse_w = 1.0f / v[3];
    points[i] = {(v[0] * inverse_w + 1.0f) * 0.5f * width, (v[1] * inverse_w + 1.0f) * 0.5f * height,
                 v[3] > 0.0f ? inverse_w : -1.0f, v[2] * inverse_w};
  }
  for (int64_t t = 0; t < num_triangles; ++t) {
    const Point p = points[triangles[3 * t]], q = points[triangles[3 * t + 1]],
                r = points[triangles[3 * t + 2]];
    if (p.inverse_w < 0.0f || q.inverse_w < 0.0f || r.inverse_w < 0.0f) continue;
    const float area = (q.x - p.x) * (r.y - p.y) - (q.y - p.y) * (r.x - p.x);
    if (!(area != 0.0f)) continue;
    const float scale = 1.0f / area;
    const int first_x = clamp_up(std::fmin(std::fmin(p.x, q.x), r.x) - 0.5f);
    const int last_x = clamp_down(std::fmax(std::fmax(p.x, q.x), r.x) - 0.5f, width - 1);
    const int first_y = clamp_up(std::fmin(std::fmin(p.y, q.y), r.y) - 0.5f);
    const int last_y = clamp_down(std::fmax(std::fmax(p.y, q.y), r.y) - 0.5f, height - 1);
    for (int y = first_y; y <= last_y; ++y) {
      for (int x = first_x; x <= last_x; ++x) {
        const float dx = x + 0.5f - p.x, dy = y + 0.5f - p.y;
        const float at_q = (dx * (r.y - p.y) - dy * (r.x - p.x)) * scale;
        const float at_r = (dy * (q.x - p.x) - dx * (q.y - p.y)) * scale;
        const float at_p = 1.0f - at_q - at_r;
        if (at_p < 0.0f || at_q < 0.0f || at_r < 0.0f) continue;
        const float order = at_p * p.order + at_q * q.order + at_r * r.order;
        const int64_t pixel = static_cast<int64_t>(y) * width + x;
        if (!(order < nearest[pixel])) continue;
        nearest[pixel] = order;
        const float wp = at_p * p.inverse_w, wq = at_q * q.inverse_w, wr = at_r * r.inverse_w;
        const float w = 1.0f / (wp + wq + wr);
        ids[pixel] = static_cast<int32_t>(t);
        weights[3 * pixel] = wp * w;
        weights[3 * pixel + 1] = wq * w;
        weights[3 * pixel + 2] = wr * w;
        depth[pixel] = w;
      }
    }
  }
}
