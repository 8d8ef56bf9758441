package deploy

import (
	"debug/elf"
	"fmt"

	"partita/planner/diag"
	"partita/planner/platform"
	"partita/server/split"
)

// machines are the processors that functions run on, by Lambda's names for them.
var machines = map[elf.Machine]string{elf.EM_X86_64: "x86_64", elf.EM_AARCH64: "arm64"}

// thisMachine is the platform whose speeds are those of the machine that the local cloud runs on.
const thisMachine = "local"

// nativeFor gives what runs in the functions of a plan and the processor it was built for. The plan says the processor, as its
// prices and times hold for that one only. The local cloud has this machine's speeds on platform local, so that is served by
// what was built for this machine; and without files for another processor it serves other plans so, too, to try them.
func (d *Deployer) nativeFor(bought *platform.Platform) (split.Native, string, error) {
	doing := "preparing the deployment"
	native := d.options.Native
	built, err := builtFor(native)
	if err != nil {
		return native, "", err
	}
	if built == bought.Architecture || d.options.AnyArchitecture && bought.Name == thisMachine {
		return native, built, nil
	}
	if other, there := d.options.Foreign[bought.Architecture]; there {
		machine, err := builtFor(other)
		if err != nil {
			return other, "", err
		}
		if machine != bought.Architecture {
			return other, "", diag.New(diag.Internal, "deploy.no-runtime", "looking at "+other.Bootstrap, "it is a program for "+machine+", and should be one for "+bought.Architecture, "run make build")
		}
		return other, machine, nil
	}
	if !d.options.AnyArchitecture {
		return native, "", diag.New(diag.Invalid, "deploy.other-architecture", doing,
			fmt.Sprintf("the plan is for %s on %s and this server deploys functions for %s", bought.Name, bought.Architecture, built),
			"install a cross compiler ("+crossCompilers[bought.Architecture]+") and run make build again, or plan for a platform of "+built)
	}
	return native, built, nil
}

// crossCompilers are Debian's packages that make build compiles functions for another processor with.
var crossCompilers = map[string]string{"arm64": "gcc-aarch64-linux-gnu", "x86_64": "gcc-x86-64-linux-gnu"}

// builtFor gives the processor that a runtime was built for.
func builtFor(native split.Native) (string, error) {
	for _, path := range []string{native.Bootstrap, native.Library} {
		if err := readable(path); err != nil {
			return "", diag.New(diag.Internal, "deploy.no-runtime", "looking for what runs in each function", "it cannot be read", "run make build, or name its folder in PARTITA_FUNCTION_DIR").Because(err)
		}
	}
	file, err := elf.Open(native.Bootstrap)
	if err != nil {
		return "", diag.New(diag.Internal, "deploy.no-runtime", "looking at "+native.Bootstrap, "it is not a program for Linux", "run make build").Because(err)
	}
	defer file.Close()
	built := machines[file.Machine]
	if built == "" {
		return "", diag.New(diag.Internal, "deploy.no-runtime", "looking at "+native.Bootstrap, "it is a program for "+file.Machine.String(), "build it for x86_64 or arm64")
	}
	return built, nil
}
