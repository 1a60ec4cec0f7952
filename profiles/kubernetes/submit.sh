#!/bin/sh
# Submits a job of Snakemake's to Kubernetes and prints its id:
#   submit.sh RULE CORES MEMORY_MB MINUTES GPUS IMAGE CLAIM MOUNT SCRIPT
# MOUNT is where the volume of CLAIM holds the project, here and in the pod.
set -eu
rule=$(printf %s "$1" | tr _ -) cores=$2 memory=$3 minutes=$4 gpus=$5
image=$6 claim=$7 mount=$8 script=$9
kubectl create --output=name --filename=- <<END
apiVersion: batch/v1
kind: Job
metadata:
  generateName: $rule-
spec:
  backoffLimit: 0 # Snakemake retries
  activeDeadlineSeconds: $((minutes * 60))
  template:
    spec:
      restartPolicy: Never
      containers:
        - name: stage
          image: $image
          workingDir: $PWD
          command: [bash, $script]
          resources:
            requests: {cpu: "$cores", memory: ${memory}M}
            limits: {memory: ${memory}M, nvidia.com/gpu: "$gpus"}
          volumeMounts:
            - {name: shared, mountPath: $mount}
      volumes:
        - name: shared
          persistentVolumeClaim: {claimName: $claim}
END
