package admission

import (
	"maps"
	"math"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// setDefaults gives an object what the API server fills in before admission,
// for the kinds that policies mostly judge.
func setDefaults(o runtime.Object) {
	switch o := o.(type) {
	case *corev1.Pod:
		podSpecDefaults(&o.Spec)
		podDefaults(&o.Spec)
		o.Status.Phase = corev1.PodPending
		or(&o.Status.QOSClass, qosClass(o.Spec))
	case *corev1.PodTemplate:
		podSpecDefaults(&o.Template.Spec)
	case *corev1.ReplicationController:
		pointer(&o.Spec.Replicas, 1)
		if t := o.Spec.Template; t != nil {
			podSpecDefaults(&t.Spec)
			inherit(&o.Spec.Selector, t.Labels)
			inherit(&o.Labels, t.Labels)
		}
	case *appsv1.Deployment:
		deploymentDefaults(&o.Spec)
	case *appsv1.ReplicaSet:
		pointer(&o.Spec.Replicas, 1)
		podSpecDefaults(&o.Spec.Template.Spec)
	case *appsv1.DaemonSet:
		daemonSetDefaults(&o.Spec)
	case *appsv1.StatefulSet:
		statefulSetDefaults(&o.Spec)
	case *batchv1.Job:
		jobDefaults(&o.Spec)
		inherit(&o.Labels, o.Spec.Template.Labels)
	case *batchv1.CronJob:
		or(&o.Spec.ConcurrencyPolicy, batchv1.AllowConcurrent)
		pointer(&o.Spec.Suspend, false)
		pointer(&o.Spec.SuccessfulJobsHistoryLimit, 3)
		pointer(&o.Spec.FailedJobsHistoryLimit, 1)
		// A job template gets no defaults of its own but those of its pods.
		podSpecDefaults(&o.Spec.JobTemplate.Spec.Template.Spec)
	case *corev1.Service:
		serviceDefaults(&o.Spec)
	case *corev1.Secret:
		or(&o.Type, corev1.SecretTypeOpaque)
	case *corev1.ConfigMap:
		if o.Data == nil {
			o.Data = map[string]string{}
		}
	case *corev1.Namespace:
		if o.Name != "" {
			labels := map[string]string{corev1.LabelMetadataName: o.Name}
			maps.Insert(labels, maps.All(o.Labels))
			labels[corev1.LabelMetadataName] = o.Name
			o.Labels = labels
		}
		or(&o.Status.Phase, corev1.NamespaceActive)
	case *corev1.PersistentVolume:
		or(&o.Status.Phase, corev1.VolumePending)
		or(&o.Spec.PersistentVolumeReclaimPolicy, corev1.PersistentVolumeReclaimRetain)
		pointer(&o.Spec.VolumeMode, corev1.PersistentVolumeFilesystem)
		if h := o.Spec.HostPath; h != nil {
			pointer(&h.Type, corev1.HostPathUnset)
		}
	case *corev1.PersistentVolumeClaim:
		claimDefaults(&o.Spec)
		or(&o.Status.Phase, corev1.ClaimPending)
	case *networkingv1.NetworkPolicy:
		networkPolicyDefaults(&o.Spec)
	case *rbacv1.RoleBinding:
		or(&o.RoleRef.APIGroup, rbacv1.GroupName)
		subjectDefaults(o.Subjects)
	case *rbacv1.ClusterRoleBinding:
		or(&o.RoleRef.APIGroup, rbacv1.GroupName)
		subjectDefaults(o.Subjects)
	case *autoscalingv2.HorizontalPodAutoscaler:
		pointer(&o.Spec.MinReplicas, 1)
	case *storagev1.StorageClass:
		pointer(&o.ReclaimPolicy, corev1.PersistentVolumeReclaimDelete)
		pointer(&o.VolumeBindingMode, storagev1.VolumeBindingImmediate)
	}
}

// or gives a field a value where it has none.
func or[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// pointer gives an optional field a value where it has none.
func pointer[T any](field **T, value T) {
	if *field == nil {
		*field = &value
	}
}

func inherit(field *map[string]string, from map[string]string) {
	if len(*field) == 0 && from != nil {
		*field = maps.Clone(from)
	}
}

func deploymentDefaults(s *appsv1.DeploymentSpec) {
	pointer(&s.Replicas, 1)
	or(&s.Strategy.Type, appsv1.RollingUpdateDeploymentStrategyType)
	if s.Strategy.Type == appsv1.RollingUpdateDeploymentStrategyType {
		pointer(&s.Strategy.RollingUpdate, appsv1.RollingUpdateDeployment{})
		pointer(&s.Strategy.RollingUpdate.MaxUnavailable, intstr.FromString("25%"))
		pointer(&s.Strategy.RollingUpdate.MaxSurge, intstr.FromString("25%"))
	}
	pointer(&s.RevisionHistoryLimit, 10)
	pointer(&s.ProgressDeadlineSeconds, 600)
	podSpecDefaults(&s.Template.Spec)
}

func daemonSetDefaults(s *appsv1.DaemonSetSpec) {
	or(&s.UpdateStrategy.Type, appsv1.RollingUpdateDaemonSetStrategyType)
	if s.UpdateStrategy.Type == appsv1.RollingUpdateDaemonSetStrategyType {
		pointer(&s.UpdateStrategy.RollingUpdate, appsv1.RollingUpdateDaemonSet{})
		pointer(&s.UpdateStrategy.RollingUpdate.MaxUnavailable, intstr.FromInt32(1))
		pointer(&s.UpdateStrategy.RollingUpdate.MaxSurge, intstr.FromInt32(0))
	}
	pointer(&s.RevisionHistoryLimit, 10)
	podSpecDefaults(&s.Template.Spec)
}

func statefulSetDefaults(s *appsv1.StatefulSetSpec) {
	or(&s.PodManagementPolicy, appsv1.OrderedReadyPodManagement)
	if s.UpdateStrategy.Type == "" {
		s.UpdateStrategy.Type = appsv1.RollingUpdateStatefulSetStrategyType
		pointer(&s.UpdateStrategy.RollingUpdate, appsv1.RollingUpdateStatefulSetStrategy{})
	}
	if r := s.UpdateStrategy.RollingUpdate; r != nil && s.UpdateStrategy.Type == appsv1.RollingUpdateStatefulSetStrategyType {
		pointer(&r.Partition, 0)
	}
	pointer(&s.PersistentVolumeClaimRetentionPolicy, appsv1.StatefulSetPersistentVolumeClaimRetentionPolicy{})
	or(&s.PersistentVolumeClaimRetentionPolicy.WhenDeleted, appsv1.RetainPersistentVolumeClaimRetentionPolicyType)
	or(&s.PersistentVolumeClaimRetentionPolicy.WhenScaled, appsv1.RetainPersistentVolumeClaimRetentionPolicyType)
	pointer(&s.Replicas, 1)
	pointer(&s.RevisionHistoryLimit, 10)
	podSpecDefaults(&s.Template.Spec)
	for i := range s.VolumeClaimTemplates {
		claimDefaults(&s.VolumeClaimTemplates[i].Spec)
		or(&s.VolumeClaimTemplates[i].Status.Phase, corev1.ClaimPending)
	}
}

func jobDefaults(s *batchv1.JobSpec) {
	if s.Parallelism == nil {
		pointer(&s.Completions, 1)
	}
	pointer(&s.Parallelism, 1)
	if s.BackoffLimitPerIndex != nil {
		pointer(&s.BackoffLimit, math.MaxInt32)
	}
	pointer(&s.BackoffLimit, 6)
	pointer(&s.CompletionMode, batchv1.NonIndexedCompletion)
	pointer(&s.Suspend, false)
	if s.PodFailurePolicy != nil {
		pointer(&s.PodReplacementPolicy, batchv1.Failed)
	}
	pointer(&s.PodReplacementPolicy, batchv1.TerminatingOrFailed)
	pointer(&s.ManualSelector, false)
	podSpecDefaults(&s.Template.Spec)
}

func serviceDefaults(s *corev1.ServiceSpec) {
	or(&s.Type, corev1.ServiceTypeClusterIP)
	or(&s.SessionAffinity, corev1.ServiceAffinityNone)
	if s.SessionAffinity == corev1.ServiceAffinityClientIP {
		pointer(&s.SessionAffinityConfig, corev1.SessionAffinityConfig{})
		pointer(&s.SessionAffinityConfig.ClientIP, corev1.ClientIPConfig{})
		pointer(&s.SessionAffinityConfig.ClientIP.TimeoutSeconds, corev1.DefaultClientIPServiceAffinitySeconds)
	}
	for i := range s.Ports {
		p := &s.Ports[i]
		or(&p.Protocol, corev1.ProtocolTCP)
		if p.TargetPort == intstr.FromInt32(0) || p.TargetPort == intstr.FromString("") {
			p.TargetPort = intstr.FromInt32(p.Port)
		}
	}
	external := s.Type == corev1.ServiceTypeLoadBalancer || s.Type == corev1.ServiceTypeNodePort ||
		s.Type == corev1.ServiceTypeClusterIP && len(s.ExternalIPs) > 0
	if external {
		or(&s.ExternalTrafficPolicy, corev1.ServiceExternalTrafficPolicyCluster)
	}
	if s.Type != corev1.ServiceTypeExternalName {
		pointer(&s.InternalTrafficPolicy, corev1.ServiceInternalTrafficPolicyCluster)
	}
	if s.Type == corev1.ServiceTypeLoadBalancer {
		pointer(&s.AllocateLoadBalancerNodePorts, true)
	}
}

func claimDefaults(s *corev1.PersistentVolumeClaimSpec) {
	pointer(&s.VolumeMode, corev1.PersistentVolumeFilesystem)
}

func networkPolicyDefaults(s *networkingv1.NetworkPolicySpec) {
	if len(s.PolicyTypes) == 0 {
		s.PolicyTypes = []networkingv1.PolicyType{networkingv1.PolicyTypeIngress}
		if len(s.Egress) > 0 {
			s.PolicyTypes = append(s.PolicyTypes, networkingv1.PolicyTypeEgress)
		}
	}
	ports := func(ports []networkingv1.NetworkPolicyPort) {
		for i := range ports {
			pointer(&ports[i].Protocol, corev1.ProtocolTCP)
		}
	}
	for i := range s.Ingress {
		ports(s.Ingress[i].Ports)
	}
	for i := range s.Egress {
		ports(s.Egress[i].Ports)
	}
}

func subjectDefaults(subjects []rbacv1.Subject) {
	for i := range subjects {
		if s := &subjects[i]; s.Kind == rbacv1.UserKind || s.Kind == rbacv1.GroupKind {
			or(&s.APIGroup, rbacv1.GroupName)
		}
	}
}

// tag is the tag of an image reference; latest where it has neither tag nor digest.
func tag(image string) string {
	name, _, pinned := strings.Cut(image, "@")
	if i := strings.LastIndexByte(name, ':'); i > strings.LastIndexByte(name, '/') {
		return name[i+1:]
	}
	if pinned {
		return ""
	}
	return "latest"
}
