// The sources for the tests: the program that runs the system's dynamic linker, and objects with every relocation that a
// linker leaves in a shared object.

enum WitnessSources {
    /// `witness OUT SCRATCH OBJECT...`: opens each object in a process of its own, and writes to OUT/INDEX the load bias,
    /// then for each PT_LOAD segment its address, its size and its bytes in memory, relocated. It opens a copy
    /// without DT_INIT and DT_INIT_ARRAY: none of the object's code runs, so only relocation changes its memory.
    static let program = #"""
        #define _GNU_SOURCE
        #include <dlfcn.h>
        #include <elf.h>
        #include <fcntl.h>
        #include <link.h>
        #include <stdio.h>
        #include <stdlib.h>
        #include <string.h>
        #include <sys/wait.h>
        #include <unistd.h>

        static struct link_map *map;
        static FILE *out;

        static int dump(struct dl_phdr_info *info, size_t size, void *data) {
            if (info->dlpi_addr != map->l_addr || strcmp(info->dlpi_name, map->l_name) != 0) return 0;
            unsigned long bias = info->dlpi_addr;
            fwrite(&bias, 8, 1, out);
            for (int i = 0; i < info->dlpi_phnum; i++) {
                const ElfW(Phdr) *p = &info->dlpi_phdr[i];
                if (p->p_type != PT_LOAD || !(p->p_flags & PF_R)) continue;
                unsigned long header[2] = {p->p_vaddr, p->p_memsz};
                fwrite(header, 8, 2, out);
                fwrite((void *)(bias + p->p_vaddr), 1, p->p_memsz, out);
            }
            return 1;
        }

        static int copy_quietly(const char *path, const char *copy) {
            FILE *in = fopen(path, "rb");
            if (!in) return 0;
            fseek(in, 0, SEEK_END);
            long size = ftell(in);
            rewind(in);
            char *bytes = malloc(size);
            if (fread(bytes, 1, size, in) != size) return 0;
            fclose(in);
            Elf64_Ehdr *header = (void *)bytes;
            Elf64_Phdr *segments = (void *)(bytes + header->e_phoff);
            for (int i = 0; i < header->e_phnum; i++) {
                if (segments[i].p_type != PT_DYNAMIC) continue;
                Elf64_Dyn *entry = (void *)(bytes + segments[i].p_offset);
                for (; entry->d_tag != DT_NULL; entry++) {
                    switch (entry->d_tag) {
                    case DT_INIT: case DT_FINI: case DT_INIT_ARRAY: case DT_FINI_ARRAY: case DT_INIT_ARRAYSZ:
                    case DT_FINI_ARRAYSZ:
                        entry->d_tag = DT_DEBUG;
                    }
                }
            }
            FILE *to = fopen(copy, "wb");
            if (!to) return 0;
            int done = fwrite(bytes, 1, size, to) == size;
            return fclose(to) == 0 && done;
        }

        int main(int argc, char **argv) {
            for (int i = 3; i < argc; i++) {
                pid_t child = fork();
                if (child == 0) {
                    char path[4096], copy[4096];
                    const char *name = strrchr(argv[i], '/');
                    snprintf(path, sizeof path, "%s/%d", argv[1], i - 3);
                    snprintf(copy, sizeof copy, "%s%s", argv[2], name ? name : argv[i]);
                    if (!copy_quietly(argv[i], copy)) _exit(2);
                    int null = open("/dev/null", O_RDWR);
                    if (!getenv("WITNESS_LOUD")) dup2(null, 2);
                    dup2(null, 0);
                    dup2(null, 1);
                    alarm(20);
                    void *handle = dlopen(copy, RTLD_NOW | RTLD_LOCAL);
                    if (!handle) fprintf(stderr, "%s\n", dlerror());
                    unlink(copy);
                    if (!handle || dlinfo(handle, RTLD_DI_LINKMAP, &map) != 0) _exit(1);
                    out = fopen(path, "wb");
                    if (!out) _exit(1);
                    int found = dl_iterate_phdr(dump, 0);
                    _exit(fclose(out) == 0 && found ? 0 : 1);
                }
                int status = 0;
                waitpid(child, &status, 0);
                if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
                    char path[4096];
                    snprintf(path, sizeof path, "%s/%d", argv[1], i - 3);
                    unlink(path);
                }
            }
            return 0;
        }
        """#

    /// Pointers, functions, thread-local variables and an implementation chosen at run time. Names are unique, so that
    /// nothing else in the process defines them.
    static let c = #"""
        static int reloc_witness_static[4] = {1, 2, 3, 4};
        int reloc_witness_object[8] = {5, 6, 7};
        extern int reloc_witness_weak __attribute__((weak));
        __attribute__((visibility("hidden"))) int reloc_witness_hidden = 9;
        __attribute__((visibility("protected"))) int reloc_witness_protected = 9;

        int *reloc_witness_relative[70] = {&reloc_witness_static[0], &reloc_witness_static[1], &reloc_witness_static[2]};
        int *reloc_witness_symbolic[] = {&reloc_witness_object[0], &reloc_witness_object[3], &reloc_witness_hidden,
            &reloc_witness_protected, &reloc_witness_weak};
        const void *const reloc_witness_readonly[] = {&reloc_witness_static[3], &reloc_witness_relative[69]};

        __thread int reloc_witness_thread_a = 1;
        __thread char reloc_witness_thread_b[24] __attribute__((aligned(64)));
        static __thread long reloc_witness_thread_c = 3;
        static __thread long reloc_witness_thread_d;

        int reloc_witness_function(int a) { return a + 1; }
        static int one(int a) { return a; }
        static int two(int a) { return a * 2; }
        static int (*choose(void))(int) { return reloc_witness_object[0] == 5 ? one : two; }
        int reloc_witness_chosen(int) __attribute__((ifunc("choose")));
        static int (*choose_local(void))(int) { return two; }
        static int reloc_witness_local(int) __attribute__((ifunc("choose_local")));
        int (*reloc_witness_pointers[])(int) = {reloc_witness_function, reloc_witness_chosen, reloc_witness_local, one};

        int *reloc_witness_addresses(int which) {
            switch (which) {
            case 0: return &reloc_witness_thread_a;
            case 1: return (int *)&reloc_witness_thread_b[5];
            case 2: return (int *)&reloc_witness_thread_c;
            case 3: return (int *)&reloc_witness_thread_d;
            case 4: return &reloc_witness_object[reloc_witness_function(which)];
            default: return &reloc_witness_object[reloc_witness_chosen(which) + reloc_witness_local(which)];
            }
        }
        """#

    /// Relocations that only assembly can request: unaligned places, narrow and relative fields, sizes.
    static let assembly = #"""
            .globl reloc_witness_asm, reloc_witness_absolute
            .type reloc_witness_asm, @object
            .size reloc_witness_asm, 24
            .set reloc_witness_absolute, 0x123456789abcdef0
            .data
            .balign 16
        reloc_witness_asm:
            .quad reloc_witness_asm + 3
            .byte 0
            .quad reloc_witness_asm - 5
            .quad local + 7
            .byte 0, 0, 0, 0, 0, 0, 0
            .quad reloc_witness_absolute
        """#

    /// With sizes of symbols that other objects could replace. PC64 is missing because glibc refuses it.
    static let sizeAssembly = #"""
            .quad reloc_witness_asm@SIZE
            .quad reloc_witness_object@SIZE + 2
        """#

    /// GNU ld leaves these to the dynamic linker, too.
    static let narrowAssembly = #"""
            .long reloc_witness_asm - .
            .byte 0
            .long reloc_witness_object + 4 - .
            .long reloc_witness_object@SIZE
        """#

    static let assemblyEnd = #"""
            .section .data.rel.ro, "aw"
        local:
            .quad local, local + 1, 0, local + 3
            .section .note.GNU-stack, "", @progbits

        """#
}
