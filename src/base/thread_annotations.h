// Clang's thread-safety attributes under their usual names; nothing under other compilers.
//
// `lint` compiles with -Wthread-safety, so that a guarded member touched without its mutex does not build.
#pragma once

#if defined(__clang__)
#define HYPRSTREAM_THREAD_ANNOTATION(x) __attribute__((x))
#else
#define HYPRSTREAM_THREAD_ANNOTATION(x)
#endif

#define CAPABILITY(x) HYPRSTREAM_THREAD_ANNOTATION(capability(x))
#define SCOPED_CAPABILITY HYPRSTREAM_THREAD_ANNOTATION(scoped_lockable)
#define GUARDED_BY(x) HYPRSTREAM_THREAD_ANNOTATION(guarded_by(x))
#define PT_GUARDED_BY(x) HYPRSTREAM_THREAD_ANNOTATION(pt_guarded_by(x))
#define REQUIRES(...) HYPRSTREAM_THREAD_ANNOTATION(requires_capability(__VA_ARGS__))
#define ACQUIRE(...) HYPRSTREAM_THREAD_ANNOTATION(acquire_capability(__VA_ARGS__))
#define RELEASE(...) HYPRSTREAM_THREAD_ANNOTATION(release_capability(__VA_ARGS__))
#define EXCLUDES(...) HYPRSTREAM_THREAD_ANNOTATION(locks_excluded(__VA_ARGS__))
#define NO_THREAD_SAFETY_ANALYSIS HYPRSTREAM_THREAD_ANNOTATION(no_thread_safety_analysis)
