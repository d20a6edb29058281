#!/bin/bash
#SBATCH --job-name=jaxrec
#SBATCH --nodes=1                 # more: one task on each trains its part of the seeds
#SBATCH --ntasks-per-node=1
#SBATCH --gpus-per-node=1         # more: seeds are spread over them too
#SBATCH --cpus-per-task=8
#SBATCH --time=12:00:00
#SBATCH --signal=USR1@120         # two minutes before the end: keep the states and stop
#SBATCH --requeue                 # after a preemption: go on
#SBATCH --open-mode=append
#SBATCH --output=%x-%j.log

# sbatch examples/slurm.sh [STUDY [FOLDER [SETTINGS...]]]; on a laptop: bash examples/slurm.sh [...]
# FOLDER must be seen by all nodes. Give the same line again to go on with what was cut off.
set -euo pipefail

study=${1:-rewiring-learning}
folder=${2:-runs/$study-${SLURM_JOB_ID:-laptop}}
settings=("${@:3}")

# What JAX compiles is kept for the next job, a folder for each kind of CPU: others may lack its instructions.
cpu=$( (grep -m1 -s flags /proc/cpuinfo || uname -m) | cksum | cut -d' ' -f1)
export JAX_COMPILATION_CACHE_DIR=${JAX_COMPILATION_CACHE_DIR:-${SCRATCH:-$HOME}/.cache/jaxrec/$cpu}

if grep -qs '"status": "complete"' "$folder/manifest.json"; then
    echo "$folder is complete: see $folder/report.md"
    exit 0
fi
if [[ -e $folder/manifest.json ]]; then
    arguments=(run "$study" --resume "$folder")
else
    arguments=(run "$study" --out "$folder" "${settings[@]}")
fi

launch=()
[[ -n ${SLURM_JOB_ID:-} ]] && launch=(srun --kill-on-bad-exit=1)

status=0
"${launch[@]}" jaxrec "${arguments[@]}" || status=$?
if [[ $status == 138 && -n ${SLURM_JOB_ID:-} ]]; then # 128 + USR1: out of time, not finished
    scontrol requeue "$SLURM_JOB_ID"
fi
exit "$status"
