// The sources that show how the system's dynamic linker resolves symbols between files: a program without the C
// library that writes its memory and that of its libraries to standard output, and three libraries.

enum LibraryWitnessSources {
    /// The program. `_start` finds all files through DT_DEBUG, once the dynamic linker has relocated them and run the
    /// libraries' initialisers, and writes of each: the length of its name, the name, the number of bytes that follow, the
    /// load bias, and for each PT_LOAD segment its address, its size and its bytes.
    static let writer = #"""
        #include <elf.h>
        #include <link.h>

        extern const ElfW(Ehdr) __ehdr_start __attribute__((visibility("hidden")));
        extern ElfW(Dyn) _DYNAMIC[] __attribute__((visibility("hidden")));

        static void put(const void *bytes, unsigned long count) {
            while (count > 0) {
                long done;
                __asm__ volatile("syscall" : "=a"(done) : "a"(1), "D"(1), "S"(bytes), "d"(count) : "rcx", "r11", "memory");
                if (done <= 0) return;
                bytes = (const char *)bytes + done;
                count -= done;
            }
        }

        static void dump(const struct link_map *map, const ElfW(Ehdr) *header, unsigned long bias) {
            const ElfW(Phdr) *segments = (const void *)((const char *)header + header->e_phoff);
            unsigned long length = 0, count = 8;
            while (map->l_name[length]) length++;
            for (int i = 0; i < header->e_phnum; i++)
                if (segments[i].p_type == PT_LOAD) count += 16 + segments[i].p_memsz;
            put(&length, 8);
            put(map->l_name, length);
            put(&count, 8);
            put(&bias, 8);
            for (int i = 0; i < header->e_phnum; i++) {
                if (segments[i].p_type != PT_LOAD) continue;
                put(&segments[i].p_vaddr, 8);
                put(&segments[i].p_memsz, 8);
                put((const void *)(bias + segments[i].p_vaddr), segments[i].p_memsz);
            }
        }

        void _start(void) {
            const struct r_debug *debug = 0;
            for (const ElfW(Dyn) *entry = _DYNAMIC; entry->d_tag != DT_NULL; entry++)
                if (entry->d_tag == DT_DEBUG) debug = (const void *)entry->d_un.d_ptr;
            int is_first = 1;
            for (const struct link_map *map = debug->r_map; map; map = map->l_next) {
                if (is_first) dump(map, &__ehdr_start, map->l_addr);
                else if (map->l_name[0] == '/') dump(map, (const void *)map->l_addr, map->l_addr);
                is_first = 0;
            }
            __asm__ volatile("syscall" : : "a"(231), "D"(0));
        }

        // Not called here. The loader defines it if no file does.
        void *__tls_get_addr(void *index) { return index; }

        """#

    /// `writer`, and its references to the libraries.
    static let program =
        writer + #"""
            extern int base_number, base_large[2], base_unknown __attribute__((weak));
            extern int base_function(int), middle_function(int), base_chosen(int), versioned(void), top_function(int);
            extern const char *const base_names[3];
            extern __thread int base_thread;
            __thread long own_thread __attribute__((aligned(32))) = 4;
            int shared = 1;
            int both(void) { return 1; }
            int (*const pointers[])(int) = {base_function, middle_function, base_chosen};
            int *const numbers[] = {&base_number, base_large, &base_unknown};

            int use(int a) {
                return base_number + base_large[1] + base_function(a) + base_chosen(a) + versioned() + base_thread + own_thread
                    + base_names[1][0] + top_function(a) + shared + both();
            }
            """#

    static let base = #"""
        int base_number = 11;
        int base_large[4] = {1, 2, 3, 4};
        const char *const base_names[3] = {"one", "two", "three"};
        int base_function(int a) { return a + base_number; }
        int shared = 3;
        int both(void) { return 3; }
        int call_both(void) { return both() + shared; }

        int first_version(void) { return 1; }
        int second_version(void) { return 2; }
        int third_version(void) { return 3; }
        __asm__(".symver first_version, versioned@BASE_1\n"
                ".symver second_version, versioned@@BASE_2\n"
                ".symver third_version, versioned@BASE_3\n");

        __attribute__((used)) static int one(int a) { return a; }
        __attribute__((used)) static int (*choose(void))(int) { return one; }
        __asm__(".globl base_chosen\n.type base_chosen, @gnu_indirect_function\n.set base_chosen, choose\n");
        int base_chosen(int);
        int (*base_pointers[])(int) = {base_function, base_chosen};

        __thread int base_thread __attribute__((aligned(64))) = 5;
        __thread char base_zero[40];
        static __thread int base_static = 6;
        int *base_threads(int which) { return which == 0 ? &base_thread : which == 1 ? (int *)base_zero : &base_static; }

        char events[16];
        int event_count;
        void record(char event) { events[event_count++ & 15] = event; }
        __attribute__((constructor)) static void begin(void) { record('b'); }

        __asm__(".globl unique\n.type unique, @gnu_unique_object\n.size unique, 8\n.data\n.balign 8\nunique: .quad 3\n.text");
        extern long unique;
        long *base_unique(void) { return &unique; }
        """#

    static let middle = #"""
        extern int base_number, base_large[4], nobody __attribute__((weak));
        extern void nobody_called(void) __attribute__((weak));
        extern int base_function(int), base_chosen(int);
        extern void record(char);
        extern __thread int base_thread;
        __thread short middle_thread __attribute__((aligned(16))) = 7;

        int old_version(void);
        __asm__(".symver old_version, versioned@BASE_1");

        int shared = 2;
        int both(void) { return 2; }
        __attribute__((visibility("protected"))) int guarded = 8;
        __attribute__((visibility("protected"))) int guard(void) { return guarded; }
        __attribute__((visibility("hidden"))) int hidden = 9;
        int middle_function(int a) { return a + both() + shared + old_version() + base_function(a); }
        int *middle_threads(int which) { return which == 0 ? &base_thread : (int *)&middle_thread; }

        int *middle_numbers[] = {&base_number, base_large + 3, &shared, &hidden, &nobody};
        void *middle_pointers[] = {base_function, base_chosen, both, middle_function, nobody_called, guard, &guarded};
        int *middle_guarded(void) { return &guarded; }
        int (*middle_guard(void))(void) { return guard; }

        __asm__(".globl unique\n.type unique, @gnu_unique_object\n.size unique, 8\n.data\n.balign 8\nunique: .quad 2\n.text");
        extern long unique;
        long *middle_unique(void) { return &unique; }
        __attribute__((constructor)) static void begin(void) { record('m'); }
        """#

    static let top = #"""
        extern int middle_function(int), base_function(int), base_chosen(int), versioned(void);
        extern int guard(void), guarded, shared, both(void);
        extern void record(char);
        extern __thread int base_thread;
        extern __thread short middle_thread;
        __thread long top_thread __attribute__((aligned(32))) = 8;
        static __thread char top_zero[5];

        int hidden = 10;
        int top_function(int a) { return middle_function(a) + versioned() + base_chosen(a) + guard() + both(); }
        void *top_pointers[] = {middle_function, versioned, base_chosen, guard, &guarded, &shared, &hidden, both};
        void *top_threads(int which) {
            return which == 0 ? (void *)&base_thread : which == 1 ? (void *)&middle_thread
                : which == 2 ? (void *)&top_thread : (void *)top_zero;
        }
        extern long unique;
        long *top_unique(void) { return &unique; }
        __attribute__((constructor)) static void begin(void) { record('t'); }
        """#

    /// The versions of the base library.
    static let versions = """
        BASE_1 { global: versioned; base_*; call_both; shared; both; record; events; event_count; unique; local: *; };
        BASE_2 { global: versioned; } BASE_1;
        BASE_3 { global: versioned; } BASE_2;

        """
}
