/* kinds: the table that wire.def expands to. One function a kind, so that offsetof() can name the
 * kind's struct; the compiler makes a jump table of constants of it. */
#include "common/wire/kinds.h"

#include "common/wire/wire.h"

/* Short names as wire.def uses them; they mean nothing outside of this file. */
#define ANY UINT64_MAX
#define C SENDER_C
#define W SENDER_W
#define B SENDER_B
#define A SENDER_A
#define X SENDER_X
#define S SENDER_S

/* clang-format off */
#define WIRE_KIND(NAME, kind_name, number, who, is_numbered, most_bodies)                          \
    static const struct wire_kind_info *info_##kind_name (void)                                    \
    {                                                                                              \
        typedef struct msg_##kind_name this_msg;                                                   \
        static const char label[sizeof (#NAME) + 0 * sizeof (this_msg)] = #NAME;                   \
        enum { WHO = (who), NUMBERED = (is_numbered), BODIES = (most_bodies) };                    \
        _Static_assert (BODIES <= WIRE_BODIES, "more bodies than a message has");                  \
        static const struct wire_field field[] = {
#define U64(member, most) {#member, offsetof (this_msg, member), (most), false},
#define STR(member, most) {#member, offsetof (this_msg, member), (most), true},
#define WIRE_END(kind_name)                                                                        \
        };                                                                                         \
        static const struct wire_kind_info info = {                                                \
            label, WHO, NUMBERED, BODIES, sizeof field / sizeof (struct wire_field), field};       \
        return &info;                                                                              \
    }
#include "common/wire/wire.def"
#undef WIRE_KIND
#undef U64
#undef STR
#undef WIRE_END

const struct wire_kind_info *wire_kind_info (unsigned kind)
{
    switch (kind) {
#define WIRE_KIND(NAME, kind_name, number, who, is_numbered, most_bodies)                          \
    case WIRE_##NAME:                                                                              \
        return info_##kind_name ();
#define U64(member, most)
#define STR(member, most)
#define WIRE_END(kind_name)
#include "common/wire/wire.def"
    default:
        return NULL;
    }
}
/* clang-format on */
