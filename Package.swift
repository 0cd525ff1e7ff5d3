// swift-tools-version: 6.2
// The pure modules build for both triples. `LOADER_FREESTANDING=1` selects the loader's own targets, whose
// hardware parts no host can run; without it the package is the host tool and the tests. `LOADER_PURE=1` leaves the host tool and
// all tests of it and of guests out, for a quick loop (`make check`).

import PackageDescription

let freestanding = Context.environment["LOADER_FREESTANDING"] != nil
let pureOnly = Context.environment["LOADER_PURE"] != nil

/// The settings of every module.
let strict: [SwiftSetting] = [
    .strictMemorySafety(),
    .treatAllWarnings(as: .error),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("MemberImportVisibility"),
]

/// The additional settings of the pure modules: the host build rejects code that Embedded Swift could not compile.
let pure: [SwiftSetting] =
    strict + [
        .enableExperimentalFeature("Lifetimes"),
        .treatWarning("EmbeddedRestrictions", as: .error),
    ]

/// The modules without hardware, below the one that composes them.
let pureModules: [Target.Dependency] = [
    "Diagnostics", "Bytes", "ELF", "Memory", "Architecture", "Linking", "HermitEntry", "HermitImage", "Firmware",
]

var targets: [Target] = [
    .target(name: "Diagnostics", swiftSettings: pure),
    .target(name: "Bytes", dependencies: ["Diagnostics"], swiftSettings: pure),
    .target(name: "ELF", dependencies: ["Diagnostics", "Bytes"], swiftSettings: pure),
    .target(name: "Memory", dependencies: ["Diagnostics", "Bytes"], swiftSettings: pure),
    .target(name: "Architecture", dependencies: ["Diagnostics", "Bytes", "ELF", "Memory"], swiftSettings: pure),
    .target(name: "Linking", dependencies: ["Diagnostics", "Bytes", "ELF", "Architecture"], swiftSettings: pure),
    .target(name: "HermitEntry", dependencies: ["Diagnostics", "Bytes", "ELF"], swiftSettings: pure),
    .target(name: "HermitImage", dependencies: ["Diagnostics", "Bytes"], swiftSettings: pure),
    .target(
        name: "Firmware", dependencies: ["Diagnostics", "Bytes", "Memory", "Architecture"], swiftSettings: pure),
    .target(name: "Boot", dependencies: pureModules, swiftSettings: pure),
    .target(
        name: "UEFI", dependencies: ["Diagnostics", "Bytes", "Memory", "Architecture", "Firmware"], swiftSettings: pure),
    // A program for the host in both packages: it makes one loader that may lie anywhere out of two links.
    .executableTarget(
        name: "loader-pack", dependencies: ["Diagnostics", "Bytes", "ELF", "Architecture"], path: "Sources/LoaderPack",
        swiftSettings: strict + [.enableExperimentalFeature("Lifetimes")]),
]

// Readers for views of files that the loader cannot boot: for hosts, with a heap.
let anyELF = Target.target(
    name: "AnyELF", dependencies: ["Diagnostics", "Bytes", "ELF", "Architecture"],
    swiftSettings: strict + [.enableExperimentalFeature("Lifetimes")])

var products: [Product] = []
var dependencies: [Package.Dependency] = []

if freestanding {
    targets += [
        .target(name: "CMachine"),
        .target(
            name: "Machine", dependencies: ["CMachine", "Diagnostics", "Architecture"],
            swiftSettings: strict + [.enableExperimentalFeature("Lifetimes")]),
        .executableTarget(
            name: "loader",
            dependencies: pureModules + ["Boot", "Machine"],
            path: "Sources/Loader",
            swiftSettings: strict + [.enableExperimentalFeature("Lifetimes")]),
    ]
    products += [.executable(name: "loader", targets: ["loader"])]
    // The UEFI application, linked by mz.ld.
    targets += [
        .target(name: "CMZ", exclude: ["mz.ld"]),
        .target(
            name: "UEFILoader",
            dependencies: ["CMZ", "Diagnostics", "Bytes", "Memory", "Architecture", "Firmware", "UEFI"],
            swiftSettings: strict + [.enableExperimentalFeature("Lifetimes")]),
    ]
} else {
    // Both in every build, so that all builds agree on their versions.
    dependencies += [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/swiftlang/swift-subprocess", from: "1.0.2", traits: []),
    ]
    targets.append(anyELF)
    if !pureOnly {
        targets += [
            .target(name: "CProcess"), .target(name: "CDwarf"),
            .systemLibrary(name: "Clibiberty", providers: [.apt(["libiberty-dev"])]),
            .target(
                name: "Inspection",
                dependencies: pureModules + [
                    "AnyELF", "Boot", "UEFI", "CDwarf", "CProcess", "Clibiberty",
                    .product(name: "ArgumentParser", package: "swift-argument-parser"),
                    .product(name: "Subprocess", package: "swift-subprocess"),
                ],
                swiftSettings: strict + [.enableExperimentalFeature("Lifetimes")]),
            .testTarget(
                name: "GuestTests",
                dependencies: [
                    "loader-bench", "loader-inspect", "Diagnostics", "HostileInput", "TestSupport", "Commands",
                    .product(name: "Subprocess", package: "swift-subprocess"),
                ],
                swiftSettings: [.treatAllWarnings(as: .error)]),
            .testTarget(
                name: "InspectionTests",
                dependencies: [
                    "loader-inspect", "Inspection", "Diagnostics", "TestSupport",
                    .product(name: "Subprocess", package: "swift-subprocess"),
                ],
                exclude: ["Golden", "Listing/validate.py", "Views/witness.py"],
                swiftSettings: [.treatAllWarnings(as: .error)]),
            .executableTarget(
                name: "loader-inspect",
                dependencies: ["Inspection", .product(name: "ArgumentParser", package: "swift-argument-parser")],
                path: "Sources/LoaderInspect", swiftSettings: strict),
            .executableTarget(
                name: "loader-bench",
                dependencies: [
                    "Bytes", "Diagnostics", "ELF", "Architecture", "AnyELF", "Linking",
                    .product(name: "ArgumentParser", package: "swift-argument-parser"),
                    .product(name: "Subprocess", package: "swift-subprocess"),
                ],
                path: "Sources/LoaderBench", exclude: ["timer.c"],
                swiftSettings: strict + [.enableExperimentalFeature("Lifetimes")]),
        ]
        products += [.executable(name: "loader-inspect", targets: ["loader-inspect"])]
    }
    let testSettings: [SwiftSetting] = [
        .treatAllWarnings(as: .error), .enableExperimentalFeature("Lifetimes"),
    ]
    // Linked files and object files have vectors of their own, by the same names.
    targets += [
        .testTarget(
            name: "LinkingTests",
            dependencies: [
                "Diagnostics", "Bytes", "ELF", "Architecture", "Linking", "HermitEntry", "Boot", "TestSupport",
                "Commands",
            ],
            exclude: ["Objects"], swiftSettings: testSettings),
        .testTarget(
            name: "ObjectTests",
            dependencies: ["Diagnostics", "Bytes", "ELF", "Architecture", "Linking", "TestSupport", "Commands"],
            path: "Tests/LinkingTests/Objects", swiftSettings: testSettings),
        .testTarget(
            name: "LoaderPackTests", dependencies: ["loader-pack", "Diagnostics", "ELF", "TestSupport"],
            swiftSettings: testSettings),
        .testTarget(name: "CMachineTests", dependencies: ["TestSupport", "Commands"], swiftSettings: testSettings),
    ]

    // The modules, and the further needs of their tests.
    let tested: [(module: String, dependencies: [Target.Dependency])] = [
        ("Diagnostics", []), ("Bytes", ["Diagnostics"]),
        ("ELF", ["Diagnostics", "Bytes", "Architecture", "Linking", "Clibelf"]),
        ("AnyELF", ["Diagnostics", "Bytes", "ELF"]),
        ("Memory", ["Diagnostics", "Bytes"]), ("Architecture", ["Diagnostics", "Bytes", "Memory"]),
        ("HermitEntry", ["Diagnostics", "Bytes", "ELF", "Architecture"]),
        ("HermitImage", ["Diagnostics", "Bytes", "Commands"]),
        ("Boot", pureModules + ["Clibfdt", "Commands"]),
        ("Firmware", ["Diagnostics", "Bytes", "Memory"]),
        ("UEFI", ["Diagnostics", "Bytes", "Memory", "Firmware"]),
    ]
    targets += [
        .systemLibrary(name: "Clibfdt", providers: [.apt(["libfdt-dev"])]),
        .systemLibrary(name: "Clibelf", pkgConfig: "libelf", providers: [.apt(["libelf-dev"])]),
        .target(
            name: "TestSupport",
            dependencies: ["Diagnostics", "Bytes", "Memory", "Architecture", "Linking", "Firmware"],
            path: "Tests/TestSupport",
            swiftSettings: [.treatAllWarnings(as: .error), .enableExperimentalFeature("Lifetimes")]),
        .target(
            name: "Commands", dependencies: [.product(name: "Subprocess", package: "swift-subprocess")],
            path: "Tests/Commands", swiftSettings: [.treatAllWarnings(as: .error)]),
    ]
    for (module, dependencies) in tested {
        targets.append(
            .testTarget(
                name: module + "Tests", dependencies: [.byName(name: module), "TestSupport"] + dependencies,
                swiftSettings: testSettings))
    }

    // Hostile input: the common parts of mutation tests and fuzzing, and their drivers.
    let hostile: [SwiftSetting] = [.treatAllWarnings(as: .error), .enableExperimentalFeature("Lifetimes")]
    targets += [
        .target(
            name: "HostileInput", dependencies: pureModules + ["AnyELF", "Boot", "UEFI", "TestSupport"],
            path: "Fuzz/HostileInput",
            swiftSettings: hostile),
        .testTarget(
            name: "MutationTests", dependencies: pureModules + ["Boot", "HostileInput", "TestSupport"],
            swiftSettings: hostile),
    ]
    // libFuzzer has the main function, so this links only if it is requested (Fuzz/run).
    if Context.environment["LOADER_FUZZ"] != nil {
        targets.append(
            .executableTarget(
                name: "fuzz", dependencies: ["HostileInput"], path: "Fuzz/Driver",
                swiftSettings: [.treatAllWarnings(as: .error), .unsafeFlags(["-parse-as-library"])]))
    }
}

// Nobody looks up the C headers in the compiler's index, which SwiftPM needs to find tests, and they are a sixth of the time.
for target in targets where target.type != .system {
    target.swiftSettings = (target.swiftSettings ?? []) + [.unsafeFlags(["-index-ignore-clang-modules"])]
}

let package = Package(
    name: "loader", products: products, dependencies: dependencies, targets: targets, swiftLanguageModes: [.v6],
    cLanguageStandard: .c17)
